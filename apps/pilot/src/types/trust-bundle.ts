import { create, toBinary } from '@bufbuild/protobuf';
import { ProxyConfigSchema } from '@xebec/protos/istio/mesh/v1alpha1/trust_bundle';
import { PROXY_CONFIG_TYPE, type ResourceCache } from '@xebec/xds';
import type { AuxiliaryType } from './auxiliary-type.ts';
import type { ForeignRoots } from './foreign-roots.ts';

/**
 * PCDS: the roots of the mesh, its own (as far as this server knows it) and those of MeshConfig's `caCertificates`: PEM that stands
 * there, and what bundle endpoints brought. One resource without a name.
 */
export function trustBundleType(cache: ResourceCache, ownRoots: () => readonly string[], foreign: Pick<ForeignRoots, 'of'>): AuxiliaryType {
  return {
    resources({ mesh }) {
      const caCertificatesPem = [...new Set([...ownRoots(), ...foreign.of(mesh)])];
      if (caCertificatesPem.length === 0) return new Map();
      const message = create(ProxyConfigSchema, { caCertificatesPem });
      return new Map([['', cache.intern(PROXY_CONFIG_TYPE, '', toBinary(ProxyConfigSchema, message))]]);
    },
  };
}
