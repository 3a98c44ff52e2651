import { create, isMessage, type MessageInitShape } from '@bufbuild/protobuf';
import { anyPack, StringValueSchema } from '@bufbuild/protobuf/wkt';
import type { MeshProxy, MeshSnapshot } from '@xebec/model';
import type { AsyncDataSourceSchema } from '@xebec/protos/envoy/config/core/v3/base';
import { type TypedExtensionConfig, TypedExtensionConfigSchema } from '@xebec/protos/envoy/config/core/v3/extension';
import { WasmSchema as HttpWasmSchema } from '@xebec/protos/envoy/extensions/filters/http/wasm/v3/wasm';
import { WasmSchema as NetworkWasmSchema } from '@xebec/protos/envoy/extensions/filters/network/wasm/v3/wasm';
import { FailurePolicy, type PluginConfigSchema } from '@xebec/protos/envoy/extensions/wasm/v3/wasm';
import { pack } from '../envoy/any.ts';
import { seconds } from '../envoy/duration.ts';
import { patchesFor } from '../envoy-filter/patches.ts';
import { extensionName, extensionsOf, isNetworkExtension, type TrafficExtension } from './filters.ts';

type Wasm = NonNullable<TrafficExtension['spec']['wasm']>;

const FAILURE_POLICIES = {
  FAIL_CLOSE: FailurePolicy.FAIL_CLOSED,
  FAIL_OPEN: FailurePolicy.FAIL_OPEN,
  FAIL_RELOAD: FailurePolicy.FAIL_RELOAD,
} as const;

const FETCH_TIMEOUT_S = 30;

/** What a proxy gets by ECDS: the extensions in WASM that its listeners name, and what EnvoyFilters give as EXTENSION_CONFIG. */
export function generateExtensionConfigs(snapshot: MeshSnapshot, proxy: MeshProxy): readonly TypedExtensionConfig[] {
  const plugins = extensionsOf(snapshot, proxy).flatMap(wasmConfig);
  const added = patchesFor(snapshot, proxy).flatMap(({ applyTo, value }) =>
    applyTo === 'EXTENSION_CONFIG' && isMessage(value, TypedExtensionConfigSchema) ? [value] : [],
  );
  return [...plugins, ...added];
}

function wasmConfig(extension: TrafficExtension): TypedExtensionConfig[] {
  const { metadata, spec } = extension;
  if (spec.wasm === undefined) return [];
  const config = pluginConfig(metadata, spec.wasm);
  const typedConfig = isNetworkExtension(extension) ? pack(NetworkWasmSchema, { config }) : pack(HttpWasmSchema, { config });
  return [create(TypedExtensionConfigSchema, { name: extensionName(extension), typedConfig })];
}

function pluginConfig(metadata: TrafficExtension['metadata'], spec: Wasm): MessageInitShape<typeof PluginConfigSchema> {
  const own = spec.pluginConfig ?? {};
  const text = create(StringValueSchema, { value: JSON.stringify(own) });
  const environment = spec.vmConfig?.env ?? [];
  const policy = spec.imagePullPolicy ?? 'UNSPECIFIED_POLICY';
  const secret = spec.imagePullSecret ?? '';
  const keyValues = {
    ...(secret === '' ? {} : { ISTIO_META_WASM_IMAGE_PULL_SECRET: `kubernetes://${metadata.namespace}/${secret}` }),
    ...(policy === 'UNSPECIFIED_POLICY' ? {} : { ISTIO_META_WASM_IMAGE_PULL_POLICY: policy }),
    ISTIO_META_WASM_PLUGIN_RESOURCE_VERSION: metadata.resourceVersion,
    ...Object.fromEntries(environment.flatMap(({ name, value, valueFrom }) => (valueFrom === 'HOST' ? [] : [[name, value ?? '']]))),
  };
  const hostEnvKeys = environment.filter(({ valueFrom }) => valueFrom === 'HOST').map(({ name }) => name);
  return {
    name: `${metadata.namespace}.${metadata.name}`,
    rootId: spec.pluginName ?? '',
    failurePolicy: FAILURE_POLICIES[spec.failStrategy ?? 'FAIL_CLOSE'],
    ...(Object.keys(own).length === 0 ? {} : { configuration: anyPack(StringValueSchema, text) }),
    vm: {
      case: 'vmConfig',
      value: {
        runtime: 'envoy.wasm.runtime.v8',
        code: codeOf(spec.url ?? '', spec.sha256 ?? ''),
        environmentVariables: { keyValues, hostEnvKeys },
      },
    },
  };
}

/** A module from a file, or from a place that the agent beside the proxy fetches it from: hence a cluster that does not exist. */
function codeOf(url: string, sha256: string): MessageInitShape<typeof AsyncDataSourceSchema> {
  if (url.startsWith('file://'))
    return { specifier: { case: 'local', value: { specifier: { case: 'filename', value: url.slice('file://'.length) } } } };
  const uri = url.includes('://') ? url : `oci://${url}`;
  const httpUri = { uri, timeout: seconds(FETCH_TIMEOUT_S), httpUpstreamType: { case: 'cluster' as const, value: '_' } };
  return { specifier: { case: 'remote', value: { httpUri, sha256 } } };
}
