import { BLACK_HOLE } from '@xebec/translate';
import type { Ending } from './through-proxy.ts';

/** Why a cluster has nobody to send to, and what the client sees. */
export function nobody(cluster: string): Ending {
  if (cluster === BLACK_HOLE)
    return { outcome: 'reset', text: 'the connection is closed: outboundTrafficPolicy REGISTRY_ONLY knows no such host' };
  return {
    outcome: 'undeliverable',
    status: 503,
    text: `503 from the proxy: ${cluster} has no usable endpoint (response flag UH or NC)`,
  };
}
