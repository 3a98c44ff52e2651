import { create, toBinary } from '@bufbuild/protobuf';
import { ProxyConfigSchema } from '@xebec/protos/istio/mesh/v1alpha1/trust_bundle';
import { PROXY_CONFIG_TYPE, type ResourceCache } from '@xebec/xds';
import type { AuxiliaryType } from './auxiliary-type.ts';

/**
 * PCDS: the roots of the mesh, its own (as far as this server knows it) and those of MeshConfig's `caCertificates` that stand
 * there as PEM. One resource without a name.
 */
export function trustBundleType(cache: ResourceCache, ownRoots: () => readonly string[]): AuxiliaryType {
  return {
    resources({ mesh }) {
      const listed = (mesh.caCertificates ?? []).flatMap(({ pem }) => (typeof pem === 'string' && pem !== '' ? [pem] : []));
      const caCertificatesPem = [...new Set([...ownRoots(), ...listed])];
      if (caCertificatesPem.length === 0) return new Map();
      const message = create(ProxyConfigSchema, { caCertificatesPem });
      return new Map([['', cache.intern(PROXY_CONFIG_TYPE, '', toBinary(ProxyConfigSchema, message))]]);
    },
  };
}
