import { authoritiesOfMesh, createFederation, type Federation } from '@xebec/agent';
import type { Clock, Logger, Random } from '@xebec/core';
import { certificatePem } from '@xebec/identity';
import type { MeshConfig } from '@xebec/schemas';

/** Roots that MeshConfig's `caCertificates` bring, by themselves or from bundle endpoints. */
export interface ForeignRoots {
  /** PEM; endpoints that have not answered yet bring nothing. */
  of(mesh: Pick<MeshConfig, 'caCertificates' | 'trustDomain'>): readonly string[];
  close(): void;
}

/** Follows the endpoints of the newest MeshConfig that was asked about; calls `onChange` when one of them brings other roots. */
export function createForeignRoots(options: {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  onChange(): void;
}): ForeignRoots {
  let federation: Federation | undefined;
  let configured = '[]';
  let asking = false;
  return {
    of({ caCertificates = [], trustDomain = 'cluster.local' }) {
      const text = JSON.stringify(caCertificates);
      if (text !== configured) {
        configured = text;
        if (federation === undefined) {
          federation = createFederation({ ...options, trustDomain });
          federation.subscribe(() => {
            // What changes while somebody asks is part of the answer.
            if (!asking) options.onChange();
          });
        }
        asking = true;
        federation.set(authoritiesOfMesh(caCertificates));
        asking = false;
      }
      return [...new Set((federation?.bundles() ?? []).flatMap(({ roots }) => roots.map(certificatePem)))];
    },
    close: () => federation?.close(),
  };
}
