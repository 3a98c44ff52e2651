import { fromBinary } from '@bufbuild/protobuf';
import { errorText, type Logger } from '@xebec/core';
import { CheckResponseSchema } from '@xebec/protos/envoy/service/auth/v3/external_auth';
import type { Counter, Gauge } from '@xebec/telemetry';
import type { GrpcTarget } from '../../grpc-service.ts';
import type { FilterStatus, FilterUpstream } from '../../http-filter.ts';
import type { NetworkFilter, NetworkFilterCallbacks } from '../../network-filter.ts';
import { type ConnectionCheckOptions, encodeConnectionCheck } from './check-request.ts';

export const METADATA = 'envoy.filters.network.ext_authz';
const CHECK = '/envoy.service.auth.v3.Authorization/Check';

export interface ConnectionAuthorization {
  readonly target: GrpcTarget;
  readonly upstream: FilterUpstream;
  readonly logger: Logger;
  readonly question: ConnectionCheckOptions;
  readonly failureModeAllow: boolean;
  /** Whether the service is asked about this connection. */
  enabled(callbacks: NetworkFilterCallbacks): boolean;
  readonly stats: {
    readonly total: Counter;
    readonly ok: Counter;
    readonly denied: Counter;
    readonly error: Counter;
    readonly failureModeAllowed: Counter;
    readonly disabled: Counter;
    readonly closed: Counter;
    readonly active: Gauge;
  };
}

/**
 * Asks a gRPC service about a connection when its first bytes come, and holds them until the answer is there. One that is not asked about
 * then is asked about when later bytes come and earlier filters have marked it meanwhile.
 */
export function createConnectionAuthorization(config: ConnectionAuthorization, callbacks: NetworkFilterCallbacks): NetworkFilter {
  let state: 'new' | 'asking' | 'allowed' | 'closed' = 'new';
  const { stats } = config;
  const { info } = callbacks;
  const refuse = (details: string): void => {
    state = 'closed';
    stats.closed.add(1);
    info.responseCodeDetails = details;
    callbacks.close('now', '', 'UAEX');
  };
  const allow = (): void => {
    state = 'allowed';
    callbacks.continueReading();
  };
  const answered = (bytes: Uint8Array): void => {
    const response = fromBinary(CheckResponseSchema, bytes);
    const { dynamicMetadata } = response;
    if (dynamicMetadata !== undefined) info.dynamicMetadata.set(METADATA, { ...info.dynamicMetadata.get(METADATA), ...dynamicMetadata });
    if ((response.status?.code ?? 0) === 0) {
      stats.ok.add(1);
      allow();
    } else {
      stats.denied.add(1);
      refuse('ext_authz_denied');
    }
  };
  const failed = (error: unknown): void => {
    stats.error.add(1);
    config.logger.debug({ error: errorText(error) }, 'asking about a connection failed');
    if (!config.failureModeAllow) {
      refuse('ext_authz_error');
      return;
    }
    stats.failureModeAllowed.add(1);
    allow();
  };
  const ask = (): void => {
    state = 'asking';
    stats.total.add(1);
    stats.active.add(1);
    const { cluster, timeoutMs, metadata } = config.target;
    const ended = (then: () => void): void => {
      stats.active.add(-1);
      // Nobody is left to be told.
      if (state === 'asking') then();
    };
    config.upstream
      .grpcUnary(cluster, CHECK, encodeConnectionCheck(info, config.question), timeoutMs, metadata)
      .then(
        (bytes) => ended(() => answered(bytes)),
        (error: unknown) => ended(() => failed(error)),
      )
      // An answer that cannot be read.
      .catch((error: unknown) => failed(error));
  };
  return {
    onData(): FilterStatus {
      if (state === 'new') {
        if (!config.enabled(callbacks)) {
          stats.disabled.add(1);
          return 'continue';
        }
        ask();
      }
      return state === 'allowed' ? 'continue' : 'stop';
    },
    onClose() {
      state = 'closed';
    },
  };
}
