import type { Random } from '@xebec/core';
import type { HeaderPredicate } from '@xebec/matching';
import type { Counter, Gauge } from '@xebec/telemetry';
import { header, type RequestHead } from '@xebec/wire';
import type { FilterStatus, HttpFilter, HttpFilterCallbacks } from '../../http-filter.ts';
import { SlowBody } from './slow-body.ts';

export interface FaultConfig {
  /** `fixedMs` undefined: the request's header says how long. `share` is 0 to 1. */
  readonly delay: { readonly fixedMs: number | undefined; readonly share: number } | undefined;
  /** Both statuses undefined: the request's header says which. */
  readonly abort:
    | { readonly httpStatus: number | undefined; readonly grpcStatus: number | undefined; readonly share: number; readonly body: string }
    | undefined;
  /** Kibibytes a second; undefined: the request's header says how many. */
  readonly rateLimit: { readonly fixedKbps: number | undefined; readonly share: number } | undefined;
  readonly cluster: string;
  readonly headers: readonly HeaderPredicate[];
  readonly nodes: ReadonlySet<string>;
  readonly maxActive: number | undefined;
}

export interface FaultStats {
  readonly delays: Counter;
  readonly aborts: Counter;
  readonly rateLimits: Counter;
  readonly overflow: Counter;
  readonly active: Gauge;
}

/** A header of digits as a number, or undefined. */
function numberHeader(request: RequestHead, name: string): number | undefined {
  const value = header(request.headers, name);
  return value === undefined || !/^\d{1,9}$/.test(value) ? undefined : Number(value);
}

/** The request may lower a header fault's share, never raise it. */
function headerShare(request: RequestHead, name: string, share: number): number {
  const percent = numberHeader(request, name);
  return percent === undefined ? share : Math.min(share, percent / 100);
}

/** `all` counts the faults that are active in all threads. */
export function createFaultFilter(
  config: FaultConfig,
  stats: FaultStats,
  all: Pick<Gauge, 'value' | 'add'>,
  random: Random,
  callbacks: HttpFilterCallbacks,
): HttpFilter {
  let active = false;
  let cancelDelay: (() => void) | undefined;
  let slow: SlowBody | undefined;

  const begin = (): boolean => {
    if (active) return true;
    if (config.maxActive !== undefined && all.value >= config.maxActive) {
      stats.overflow.add(1);
      return false;
    }
    active = true;
    stats.active.add(1);
    if (all !== stats.active) all.add(1);
    return true;
  };
  const applies = (request: RequestHead): boolean => {
    if (config.cluster !== '' && callbacks.route()?.clusterName !== config.cluster) return false;
    if (config.nodes.size > 0 && !config.nodes.has(header(request.headers, 'x-envoy-downstream-service-node') ?? '')) return false;
    return config.headers.every((matches) => matches(request));
  };
  const delayMs = (request: RequestHead): number => {
    if (config.delay === undefined) return 0;
    const { fixedMs } = config.delay;
    const share =
      fixedMs !== undefined ? config.delay.share : headerShare(request, 'x-envoy-fault-delay-request-percentage', config.delay.share);
    if (random.next() >= share) return 0;
    return fixedMs ?? numberHeader(request, 'x-envoy-fault-delay-request') ?? 0;
  };
  const abort = (request: RequestHead): boolean => {
    if (config.abort === undefined) return false;
    const byHeader = config.abort.httpStatus === undefined && config.abort.grpcStatus === undefined;
    const share = byHeader ? headerShare(request, 'x-envoy-fault-abort-request-percentage', config.abort.share) : config.abort.share;
    if (random.next() >= share) return false;
    const headerStatus = byHeader ? numberHeader(request, 'x-envoy-fault-abort-request') : undefined;
    const status =
      config.abort.httpStatus ?? (headerStatus !== undefined && headerStatus >= 200 && headerStatus < 600 ? headerStatus : undefined);
    const grpcStatus = config.abort.grpcStatus ?? (byHeader ? numberHeader(request, 'x-envoy-fault-abort-grpc-request') : undefined);
    if ((status === undefined && grpcStatus === undefined) || !begin()) return false;
    stats.aborts.add(1);
    callbacks.info.responseFlags.add('FI');
    callbacks.sendLocalReply({
      status: status ?? 200,
      body: config.abort.body,
      details: 'fault_filter_abort',
      flag: 'FI',
      ...(grpcStatus === undefined ? {} : { grpcStatus }),
    });
    return true;
  };

  const limit = (request: RequestHead): void => {
    if (config.rateLimit === undefined) return;
    const { fixedKbps } = config.rateLimit;
    const share =
      fixedKbps !== undefined
        ? config.rateLimit.share
        : headerShare(request, 'x-envoy-fault-throughput-response-percentage', config.rateLimit.share);
    const kbps = fixedKbps ?? numberHeader(request, 'x-envoy-fault-throughput-response') ?? 0;
    if (kbps === 0 || random.next() >= share || !begin()) return;
    stats.rateLimits.add(1);
    slow = new SlowBody(kbps, filter, callbacks);
  };

  const filter: HttpFilter = {
    onRequestHead(request): FilterStatus {
      if (config.delay === undefined && config.abort === undefined && config.rateLimit === undefined) return 'continue';
      if (!applies(request)) return 'continue';
      limit(request);
      const ms = delayMs(request);
      if (ms > 0 && begin()) {
        stats.delays.add(1);
        callbacks.info.responseFlags.add('DI');
        cancelDelay = callbacks.setTimeout(() => {
          cancelDelay = undefined;
          if (!abort(request)) callbacks.continueRequest();
        }, ms);
        return 'stop';
      }
      return abort(request) ? 'stop' : 'continue';
    },
    onResponseData: (data, endStream) => (slow === undefined ? 'continue' : slow.take(data, endStream)),
    onResponseTrailers: () => (slow === undefined || slow.empty ? 'continue' : slow.trailers()),
    onComplete() {
      cancelDelay?.();
      slow?.close();
      if (!active) return;
      stats.active.add(-1);
      if (all !== stats.active) all.add(-1);
    },
  };
  return filter;
}
