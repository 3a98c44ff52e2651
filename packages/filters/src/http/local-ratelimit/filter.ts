import type { HeaderList, RequestHead, ResponseHead } from '@xebec/wire';
import type { FilterContext, FilterStatus, HttpFilter, HttpFilterCallbacks } from '../../http-filter.ts';
import type { TokenBucket } from '../../token-bucket.ts';
import type { Limit } from './limit.ts';

/** Limits requests by token buckets of this process. */
export class LocalRateLimitFilter implements HttpFilter {
  readonly #limit: Limit;
  readonly #context: FilterContext;
  readonly #callbacks: HttpFilterCallbacks;
  #bucket: TokenBucket | undefined;

  constructor(limit: Limit, context: FilterContext, callbacks: HttpFilterCallbacks) {
    this.#limit = limit;
    this.#context = context;
    this.#callbacks = callbacks;
  }
  onRequestHead(request: RequestHead): FilterStatus {
    const limit = this.#limit;
    const { random, node } = this.#context;
    const callbacks = this.#callbacks;
    if (limit.enabled === 0 || (limit.enabled < 1 && random.next() >= limit.enabled)) return 'continue';
    limit.counters.enabled.add(1);
    const route = callbacks.route();
    const { info } = callbacks;
    const descriptors = limit.describe({ request, info, route, localCluster: node.cluster }, route);
    const { allowed, bucket } = limit.limiter(info.connection.id).take(descriptors);
    if (limit.limitHeaders) this.#bucket = bucket;
    if (allowed) {
      limit.counters.ok.add(1);
      return 'continue';
    }
    limit.counters.rateLimited.add(1);
    if (limit.enforced === 0 || (limit.enforced < 1 && random.next() >= limit.enforced)) {
      limit.requestHeaders?.(request, { info, request });
      return 'continue';
    }
    limit.counters.enforced.add(1);
    const head: { headers: HeaderList } = { headers: [] };
    limit.responseHeaders?.(head, { info, request });
    callbacks.sendLocalReply({
      status: limit.status,
      body: 'local_rate_limited',
      details: 'local_rate_limited',
      flag: 'RL',
      headers: head.headers,
      ...(limit.resourceExhausted ? { grpcStatus: 8 } : {}),
    });
    return 'stop';
  }
  onResponseHead(head: ResponseHead): FilterStatus {
    const bucket = this.#bucket;
    if (bucket === undefined) return 'continue';
    head.headers.push(
      'x-ratelimit-limit',
      String(bucket.max),
      'x-ratelimit-remaining',
      String(bucket.remaining),
      'x-ratelimit-reset',
      String(bucket.resetSeconds),
    );
    return 'continue';
  }
}
