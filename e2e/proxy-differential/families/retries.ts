import { cluster, httpBootstrap } from '../harness/configuration.ts';
import type { DifferentialCase, DifferentialFamily, Exchange, Field, Json, Reply } from '../harness/family.ts';
import { known } from './known/retries.ts';

const quick: Json = { base_interval: '0.001s' };
const ok: Reply = { body: 'fine' };
const status = (code: number, headers: readonly Field[] = []): Reply => ({ status: code, headers, body: `status ${code}` });
const grpc = (code: number, more: Reply = {}): Reply => ({
  headers: [
    ['content-type', 'application/grpc'],
    ['grpc-status', String(code)],
  ],
  ...more,
});
const once = (reply: Reply): readonly Reply[] => [reply, ok];

interface RetryCase {
  readonly name: string;
  readonly policy?: Json;
  readonly route?: Json;
  readonly asks?: Exchange;
  readonly replies: readonly Reply[] | Readonly<Record<string, readonly Reply[]>>;
  readonly unordered?: boolean;
}

const on = (retryOn: string, more: Json = {}): Json => ({ retry_on: retryOn, num_retries: 2, retry_back_off: quick, ...more });
const header = (...fields: Field[]): Exchange => ({ headers: fields });

const cases: readonly RetryCase[] = [
  { name: '5xx of 500', policy: on('5xx'), replies: once(status(500)) },
  { name: '5xx of 503 thrice', policy: on('5xx'), replies: [status(503)] },
  { name: '5xx of 404', policy: on('5xx'), replies: once(status(404)) },
  { name: '5xx of a reset', policy: on('5xx'), replies: once({ instead: 'reset' }) },
  { name: '5xx of a close', policy: on('5xx'), replies: once({ instead: 'close' }) },
  {
    name: '5xx of a body that is cut',
    policy: on('5xx'),
    replies: once({ headers: [['content-length', '10']], body: 'half', cut: 'close' }),
  },
  { name: 'gateway-error of 500', policy: on('gateway-error'), replies: once(status(500)) },
  ...[502, 503, 504].map((code) => ({ name: `gateway-error of ${code}`, policy: on('gateway-error'), replies: once(status(code)) })),
  { name: 'reset of a reset', policy: on('reset'), replies: once({ instead: 'reset' }) },
  { name: 'reset of 503', policy: on('reset'), replies: once(status(503)) },
  { name: 'reset-before-request', policy: on('reset-before-request'), replies: once({ instead: 'reset' }) },
  { name: 'connect-failure', policy: on('connect-failure'), route: { cluster: 'half' }, replies: [ok] },
  { name: 'connect-failure of a reset', policy: on('connect-failure'), replies: once({ instead: 'reset' }) },
  { name: 'connect-failure to nobody', policy: on('connect-failure'), route: { cluster: 'dead' }, replies: [ok] },
  { name: 'retriable-4xx of 409', policy: on('retriable-4xx'), replies: once(status(409)) },
  { name: 'retriable-4xx of 404', policy: on('retriable-4xx'), replies: once(status(404)) },
  { name: 'refused-stream', policy: on('refused-stream'), route: { cluster: 'h2' }, replies: once({ instead: 'reset', errorCode: 7 }) },
  {
    name: 'refused-stream of a cancelled one',
    policy: on('refused-stream'),
    route: { cluster: 'h2' },
    replies: once({ instead: 'reset', errorCode: 8 }),
  },
  { name: 'reset of HTTP/2 reset', policy: on('reset'), route: { cluster: 'h2' }, replies: once({ instead: 'reset', errorCode: 2 }) },
  { name: 'retriable-status-codes', policy: on('retriable-status-codes', { retriable_status_codes: [418] }), replies: once(status(418)) },
  {
    name: 'retriable-status-codes of another',
    policy: on('retriable-status-codes', { retriable_status_codes: [418] }),
    replies: once(status(419)),
  },
  {
    name: 'retriable-headers',
    policy: on('retriable-headers', { retriable_headers: [{ name: 'x-again', string_match: { exact: 'yes' } }] }),
    replies: once(status(200, [['x-again', 'yes']])),
  },
  {
    name: 'retriable-headers of another',
    policy: on('retriable-headers', { retriable_headers: [{ name: 'x-again', string_match: { exact: 'yes' } }] }),
    replies: once(status(200, [['x-again', 'no']])),
  },
  {
    name: 'retriable request headers missing',
    policy: on('5xx', { retriable_request_headers: [{ name: 'x-may', present_match: true }] }),
    replies: once(status(503)),
  },
  {
    name: 'retriable request headers there',
    policy: on('5xx', { retriable_request_headers: [{ name: 'x-may', present_match: true }] }),
    asks: header(['x-may', '1']),
    replies: once(status(503)),
  },
  { name: 'envoy-ratelimited', policy: on('envoy-ratelimited'), replies: once(status(429, [['x-envoy-ratelimited', 'true']])) },
  { name: '5xx of a rate-limited one', policy: on('5xx'), replies: once(status(503, [['x-envoy-ratelimited', 'true']])) },
  { name: '5xx of an overloaded one', policy: on('5xx'), replies: once(status(503, [['x-envoy-overloaded', 'true']])) },
  ...[
    ['cancelled', 1],
    ['deadline-exceeded', 4],
    ['resource-exhausted', 8],
    ['internal', 13],
    ['unavailable', 14],
  ].flatMap(([name, code]) => [
    {
      name: `gRPC ${name}`,
      policy: on(String(name)),
      asks: header(['content-type', 'application/grpc']),
      replies: [grpc(Number(code)), grpc(0)],
    },
    {
      name: `gRPC ${name} of another`,
      policy: on(String(name)),
      asks: header(['content-type', 'application/grpc']),
      replies: [grpc(5), grpc(0)],
    },
  ]),
  {
    name: 'unavailable in trailers',
    policy: on('unavailable'),
    route: { cluster: 'h2' },
    asks: header(['content-type', 'application/grpc']),
    replies: [{ headers: [['content-type', 'application/grpc']], body: 'x', trailers: [['grpc-status', '14']] }],
  },
  { name: 'no policy', replies: once(status(503)) },
  { name: 'policy without number', policy: { retry_on: '5xx', retry_back_off: quick }, replies: [status(503)] },
  { name: 'number 0', policy: on('5xx', { num_retries: 0 }), replies: once(status(503)) },
  { name: 'unknown condition', policy: on('nonsense'), replies: once(status(503)) },
  { name: 'list with spaces', policy: on('reset, 5xx'), replies: once(status(503)) },
  { name: 'with a body', policy: on('5xx'), asks: { method: 'POST', body: 'again' }, replies: once(status(503)) },
  {
    name: 'with a chunked body and trailers',
    policy: on('5xx'),
    asks: { method: 'POST', body: ['one', 'two'], trailers: [['x-end', 'yes']] },
    replies: once(status(503)),
  },
  {
    name: 'with a body larger than the buffer',
    policy: on('5xx'),
    route: {},
    asks: { method: 'POST', body: 'x'.repeat(100_000) },
    replies: once(status(503)),
  },
  { name: 'attempt count', policy: on('5xx', { num_retries: 3 }), replies: [status(503), status(503), ok] },
  { name: 'header retry-on', asks: header(['x-envoy-retry-on', '5xx']), replies: once(status(503)) },
  {
    name: 'header retry-on and max-retries',
    asks: header(['x-envoy-retry-on', '5xx'], ['x-envoy-max-retries', '3']),
    replies: [status(503), status(503), status(503), ok],
  },
  { name: 'header max-retries 0', policy: on('5xx'), asks: header(['x-envoy-max-retries', '0']), replies: once(status(503)) },
  { name: 'header max-retries nonsense', policy: on('5xx'), asks: header(['x-envoy-max-retries', 'x']), replies: once(status(503)) },
  { name: 'header adds to the policy', policy: on('reset'), asks: header(['x-envoy-retry-on', '5xx']), replies: once(status(503)) },
  {
    name: 'header retry-grpc-on',
    asks: header(['x-envoy-retry-grpc-on', 'unavailable'], ['content-type', 'application/grpc']),
    replies: [grpc(14), grpc(0)],
  },
  {
    name: 'header retriable-status-codes',
    asks: header(['x-envoy-retry-on', 'retriable-status-codes'], ['x-envoy-retriable-status-codes', '418, 419,x']),
    replies: [status(418), status(419), ok],
  },
  {
    name: 'header retriable-header-names',
    asks: header(['x-envoy-retry-on', 'retriable-headers'], ['x-envoy-retriable-header-names', 'x-again,x-other']),
    replies: once(status(200, [['x-other', '']])),
  },
  { name: 'per-try timeout retried', policy: on('5xx', { per_try_timeout: '0.08s' }), replies: [{ delayMs: 300 }, ok] },
  { name: 'per-try timeout exhausted', policy: on('5xx', { per_try_timeout: '0.05s', num_retries: 1 }), replies: [{ delayMs: 200 }] },
  { name: 'per-try timeout not retriable', policy: on('connect-failure', { per_try_timeout: '0.05s' }), replies: [{ delayMs: 200 }] },
  {
    name: 'per-try timeout by header',
    policy: on('5xx'),
    asks: header(['x-envoy-upstream-rq-per-try-timeout-ms', '50']),
    replies: [{ delayMs: 200 }, ok],
  },
  { name: 'per-try idle timeout', policy: on('5xx', { per_try_idle_timeout: '0.05s' }), replies: [{ delayMs: 200 }, ok] },
  {
    name: 'per-try idle timeout in the body',
    policy: on('5xx', { per_try_idle_timeout: '0.05s' }),
    replies: [{ body: 'abcd', bodyParts: 2, bodyDelayMs: 150 }],
  },
  {
    name: 'route timeout ends retries',
    policy: on('5xx', { num_retries: 10 }),
    route: { timeout: '0.15s' },
    replies: [{ delayMs: 60, status: 503 }],
  },
  {
    name: 'hedge on per-try timeout',
    policy: on('5xx', { per_try_timeout: '0.06s' }),
    route: { hedge_policy: { hedge_on_per_try_timeout: true } },
    replies: [
      { delayMs: 100, body: 'first' },
      { delayMs: 300, body: 'second' },
    ],
    unordered: true,
  },
  {
    name: 'previous hosts',
    policy: on('5xx', {
      num_retries: 1,
      retry_host_predicate: [
        {
          name: 'envoy.retry_host_predicates.previous_hosts',
          typed_config: { '@type': 'type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate' },
        },
      ],
      host_selection_retry_max_attempts: 20,
    }),
    route: { cluster: 'two' },
    replies: { a: [status(503)], b: [status(503)] },
    unordered: true,
  },
  {
    name: 'rate-limited back-off',
    policy: on('5xx', {
      rate_limited_retry_back_off: { reset_headers: [{ name: 'retry-after', format: 'SECONDS' }], max_interval: '0.3s' },
    }),
    replies: once(status(503, [['retry-after', '0']])),
  },
  { name: 'retry budget of none', policy: on('5xx'), route: { cluster: 'budget' }, replies: once(status(503)) },
  { name: 'no retries by circuit breaker', policy: on('5xx'), route: { cluster: 'no-retries' }, replies: once(status(503)) },
  {
    name: 'retry after an early answer',
    policy: on('5xx'),
    asks: { method: 'POST', body: 'x' },
    replies: [{ status: 503, early: true, body: 'early' }, ok],
  },
  {
    name: 'retry drops what the first wrote',
    policy: on('5xx'),
    replies: [status(503, [['x-first', '1']]), { headers: [['x-second', '1']], body: 'second' }],
  },
  { name: 'informational before a retry', policy: on('5xx'), replies: [{ informational: [{ status: 103 }], status: 503 }, ok] },
  { name: 'HEAD retried', policy: on('5xx'), asks: { method: 'HEAD' }, replies: once(status(503)) },
];

const path = (i: number): string => `/r${String(i).padStart(3, '0')}`;

export const retries: DifferentialFamily = {
  name: 'retries',
  known,
  about: 'which answers and failures are tried again, how often, and what is seen of it',
  bootstrap: httpBootstrap(
    cases.map(({ name, policy, route }, i) => ({
      name,
      match: { prefix: path(i) },
      route: { cluster: 'a', ...(policy === undefined ? {} : { retry_policy: policy }), ...route },
      ...(name === 'with a body larger than the buffer' ? { per_request_buffer_limit_bytes: 1000 } : {}),
    })),
    {
      clusters: (site) => [
        cluster('half', [site.deadPort, site.upstream('a')]),
        cluster('two', [site.upstream('a'), site.upstream('b')]),
        cluster('budget', [site.upstream('a')], {
          circuit_breakers: { thresholds: [{ retry_budget: { budget_percent: { value: 0 }, min_retry_concurrency: 0 } }] },
        }),
        cluster('no-retries', [site.upstream('a')], { circuit_breakers: { thresholds: [{ max_retries: 0 }] } }),
      ],
    },
  ),
  cases: cases.map(({ name, asks, replies, unordered }, i): DifferentialCase => {
    const plain = (asks ?? {}) as object;
    return {
      name,
      does: { ...plain, path: path(i) },
      replies,
      ...(unordered === true ? { unordered } : {}),
      ...(name === 'connect-failure' ? { ignoreLog: ['attempts'] } : name === 'previous hosts' ? { ignoreLog: ['host'] } : {}),
    };
  }),
  stats: [
    ...['a', 'h2', 'two', 'dead'].flatMap((name) =>
      [
        'upstream_rq_retry',
        'upstream_rq_retry_success',
        'upstream_rq_retry_limit_exceeded',
        'upstream_rq_retry_overflow',
        'upstream_rq_per_try_timeout',
        'upstream_rq_per_try_idle_timeout',
        'upstream_rq_timeout',
        'upstream_rq_rx_reset',
        'upstream_rq_tx_reset',
      ].map((stat) => `cluster.${name}.${stat}`),
    ),
    'cluster.no-retries.upstream_rq_retry_overflow',
    'cluster.budget.upstream_rq_retry_overflow',
    'cluster.a.retry.upstream_rq_503',
    'cluster.a.retry.upstream_rq_5xx',
    'cluster.a.upstream_rq_retry_backoff_exponential',
    'cluster.a.upstream_rq_retry_backoff_ratelimited',
    'cluster.a.upstream_rq_503',
  ],
};
