import { toBinary } from '@bufbuild/protobuf';
import type { MeshProxy, MeshSnapshot } from '@xebec/model';
import { type TypedExtensionConfig, TypedExtensionConfigSchema } from '@xebec/protos/envoy/config/core/v3/extension';
import { EXTENSION_TYPE, type ResourceCache } from '@xebec/xds';
import type { AuxiliaryType } from './auxiliary-type.ts';

/** Makes the filter configurations that a proxy's listeners name. */
export type ExtensionSource = (snapshot: MeshSnapshot, proxy: MeshProxy) => readonly TypedExtensionConfig[];

/** ECDS: the configuration of filters that WasmPlugins and EnvoyFilters describe apart from the listeners. */
export function extensionType(cache: ResourceCache, source: ExtensionSource): AuxiliaryType {
  return {
    resources: (snapshot, { proxy }) =>
      new Map(
        source(snapshot, proxy).map((config) => [
          config.name,
          cache.intern(EXTENSION_TYPE, config.name, toBinary(TypedExtensionConfigSchema, config)),
        ]),
      ),
  };
}
