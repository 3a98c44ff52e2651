import { Server } from '@grpc/grpc-js';
import { type Clock, type Logger, XebecError } from '@xebec/core';
import { SpiffeWorkloadAPI } from '@xebec/protos/spiffe/workload/workload';
import { serviceDefinition } from '@xebec/rpc';
import type { CertificateManager } from '../certificate-manager.ts';
import type { TrustStore } from '../trust-store.ts';
import { listenGuarded } from './guarded-socket.ts';
import { cachedJwtSvids, type SignJwtSvid } from './jwt-svid-client.ts';
import { openPeerCredentials } from './peer-credentials.ts';
import { cgroupMark, directoryMark, networkMark, type PodMark, podPeers } from './peer-policy.ts';
import { workloadService } from './workload-service.ts';

export const WORKLOAD_API_SOCKET = './var/run/secrets/workload-spiffe-uds/workload-api.sock';

export interface WorkloadApiOptions {
  readonly socketPath: string;
  /** Users that may call; undefined: the agent's own, and whoever is proven to run in its pod. */
  readonly allowedUids?: ReadonlySet<number>;
  /** Pods have network namespaces of their own here. */
  readonly podNetworks: boolean;
  readonly certificates: Pick<CertificateManager, 'current' | 'subscribe'>;
  readonly trust: Pick<TrustStore, 'current' | 'subscribe'>;
  readonly signJwtSvid: SignJwtSvid;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Serves the SPIFFE Workload API on a Unix socket. Where the kernel does not name peers it is not served, and the log says so. */
export async function startWorkloadApi(options: WorkloadApiOptions): Promise<{ close(): void }> {
  const { clock, logger } = options;
  const credentials = openPeerCredentials();
  if (typeof credentials === 'string') {
    logger.warn({ code: 'E_WORKLOAD_API' }, `the SPIFFE Workload API is not served: ${credentials}`);
    return { close: () => undefined };
  }
  const server = new Server({ 'grpc.max_receive_message_length': 64 * 1024, 'grpc.max_concurrent_streams': 64 });
  const signJwtSvid = cachedJwtSvids(options.signJwtSvid, () => clock.now());
  server.addService(serviceDefinition(SpiffeWorkloadAPI), workloadService({ ...options, signJwtSvid }));
  const marks: PodMark[] = [...(options.podNetworks ? [networkMark] : []), cgroupMark, directoryMark];
  const policy = podPeers({
    ownUid: process.getuid?.() ?? -1,
    marks,
    ...(options.allowedUids === undefined ? {} : { allowedUids: options.allowedUids }),
  });
  return listenGuarded({ socketPath: options.socketPath, server, service: SpiffeWorkloadAPI, credentials, policy, logger });
}

/** Reads XEBEC_WORKLOAD_API (`true`, the default, or `false`), XEBEC_WORKLOAD_API_SOCKET and XEBEC_WORKLOAD_API_UIDS (`1000,1337`). */
export function workloadApiSettings(env: NodeJS.ProcessEnv): { socketPath?: string; allowedUids?: ReadonlySet<number> } | undefined {
  const on = env['XEBEC_WORKLOAD_API'] ?? 'true';
  if (on !== 'true' && on !== 'false') throw new XebecError('E_ENV', `XEBEC_WORKLOAD_API wants true or false, but got "${on}"`);
  if (on === 'false') return undefined;
  const socketPath = env['XEBEC_WORKLOAD_API_SOCKET'];
  const uids = env['XEBEC_WORKLOAD_API_UIDS'];
  if (uids !== undefined && !/^\d{1,10}(,\d{1,10})*$/.test(uids))
    throw new XebecError('E_ENV', `XEBEC_WORKLOAD_API_UIDS wants user numbers such as 1000,1337, but got "${uids}"`);
  return {
    ...(socketPath === undefined || socketPath === '' ? {} : { socketPath }),
    ...(uids === undefined ? {} : { allowedUids: new Set(uids.split(',').map(Number)) }),
  };
}
