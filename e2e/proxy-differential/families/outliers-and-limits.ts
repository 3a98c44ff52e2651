import { address, cluster, http2Upstream, httpConnectionManager, listener, virtualHost } from '../harness/configuration.ts';
import type { DifferentialCase, DifferentialFamily, Json, ProxyUnderTest, Reply, Site } from '../harness/family.ts';

const names = ['a', 'b', 'c', 'd'];
const failing: Reply = { status: 500 };
const slow: Reply = { delayMs: 250 };

/** Outlier detection of a cluster over all four upstreams; intervals are long unless a case waits for them. */
const outliers: Readonly<Record<string, Json>> = {
  'five-hundreds': { consecutive_5xx: 3, max_ejection_percent: 50 },
  'default-percent': { consecutive_5xx: 2 },
  'always-one': { consecutive_5xx: 2, always_eject_one_host: true },
  'zero-percent': { consecutive_5xx: 2, max_ejection_percent: 0 },
  'all-out': { consecutive_5xx: 1, max_ejection_percent: 100 },
  'not-enforced': { consecutive_5xx: 2, enforcing_consecutive_5xx: 0, max_ejection_percent: 100 },
  gateway: { consecutive_5xx: 100, consecutive_gateway_failure: 2, enforcing_consecutive_gateway_failure: 100, max_ejection_percent: 50 },
  'gateway-default': { consecutive_gateway_failure: 2, max_ejection_percent: 50 },
  resets: { consecutive_5xx: 2, max_ejection_percent: 50 },
  split: {
    split_external_local_origin_errors: true,
    consecutive_local_origin_failure: 2,
    consecutive_5xx: 100,
    max_ejection_percent: 50,
  },
  'split-statuses': {
    split_external_local_origin_errors: true,
    consecutive_local_origin_failure: 2,
    consecutive_5xx: 2,
    max_ejection_percent: 50,
  },
  back: { consecutive_5xx: 2, max_ejection_percent: 50, interval: '0.1s', base_ejection_time: '0.2s' },
  percentage: {
    consecutive_5xx: 1000,
    enforcing_success_rate: 0,
    enforcing_failure_percentage: 100,
    failure_percentage_threshold: 60,
    failure_percentage_minimum_hosts: 3,
    failure_percentage_request_volume: 1,
    max_ejection_percent: 50,
    interval: '0.3s',
  },
  'success-rate': {
    consecutive_5xx: 1000,
    success_rate_minimum_hosts: 3,
    success_rate_request_volume: 1,
    success_rate_stdev_factor: 1000,
    max_ejection_percent: 50,
    interval: '0.3s',
  },
};

const breakers: Readonly<Record<string, Json>> = {
  'no-pending': { max_pending_requests: 0, max_connections: 1 },
  'one-connection': { max_connections: 1, max_pending_requests: 1, track_remaining: true },
  'two-connections': { max_connections: 2, max_pending_requests: 5, track_remaining: true },
  'one-request-h2': { max_requests: 1, track_remaining: true },
  'no-retries': { max_retries: 0 },
  'one-retry': { max_retries: 1 },
  budget: { retry_budget: { budget_percent: { value: 100 }, min_retry_concurrency: 1 } },
  'no-budget': { retry_budget: { budget_percent: { value: 0 }, min_retry_concurrency: 0 } },
};

function bootstrap(site: Site): Json {
  const four = names.map((name) => site.upstream(name));
  const withDead = [...four.slice(0, 3), site.deadPort];
  const clusters = [
    ...Object.entries(outliers).map(([name, detection]) =>
      cluster(name, name === 'split' ? withDead : four, {
        outlier_detection: { interval: '60s', ...detection },
        common_lb_config: { healthy_panic_threshold: { value: 0 } },
      }),
    ),
    ...Object.entries(breakers).map(([name, thresholds]) =>
      cluster(name, [site.upstream(name.endsWith('-h2') ? 'h2' : 'a')], {
        circuit_breakers: { thresholds: [thresholds] },
        ...(name.endsWith('-h2') ? http2Upstream : {}),
      }),
    ),
    {
      ...cluster('high', [site.upstream('a')]),
      circuit_breakers: { thresholds: [{ priority: 'HIGH', max_pending_requests: 0, max_connections: 1 }] },
    },
    { ...cluster('timeouts', [site.upstream('a')]), max_requests_per_connection: 1 },
    {
      name: 'unreachable',
      connect_timeout: '0.2s',
      type: 'STATIC',
      load_assignment: {
        cluster_name: 'unreachable',
        endpoints: [{ lb_endpoints: [{ endpoint: { address: address(81, '240.0.0.1') } }] }],
      },
    },
  ];
  const retry = { retry_policy: { retry_on: '5xx', num_retries: 2, retry_back_off: { base_interval: '0.001s' } } };
  const routes: Json[] = clusters.flatMap(({ name }) => {
    const text = String(name);
    const route = { cluster: text, ...(/retr|budget/.test(text) ? retry : {}) };
    return [
      { match: { path_separated_prefix: `/important/${text}` }, route: { ...route, priority: 'HIGH' } },
      { match: { path_separated_prefix: `/${text}` }, route },
    ];
  });
  return {
    static_resources: { listeners: [listener(site, 'http', [httpConnectionManager(site, [virtualHost(routes)])])], clusters },
  };
}

async function admin(proxy: ProxyUnderTest, name: string, stats: string): Promise<unknown> {
  const text = async (path: string): Promise<string> => (await fetch(`http://127.0.0.1:${proxy.adminPort}${path}`)).text();
  const lines = (body: string): string[] => body.split('\n').filter((line) => line !== '');
  const flags = lines(await text('/clusters')).filter((line) => line.startsWith(`${name}::`) && line.includes('::health_flags::'));
  const counted = lines(await text(`/stats?filter=${encodeURIComponent(`^cluster\\.${name}\\.(${stats})`)}`));
  // Pools are not limited, and what was never counted may be absent.
  const relevant = counted.filter((line) => !/cx_pool|: 0$/.test(line));
  return { flags, stats: Object.fromEntries(relevant.sort().map((line) => line.split(': '))) };
}

async function statusOf(proxy: ProxyUnderTest, path: string): Promise<string> {
  const { answers } = (await proxy.exchange({ path })) as { readonly answers: readonly { readonly status: string }[] };
  return answers[0]?.status ?? 'none';
}

async function statuses(proxy: ProxyUnderTest, path: string, count: number): Promise<string[]> {
  const found: string[] = [];
  for (let i = 0; i < count; i++) {
    found.push(await statusOf(proxy, path));
  }
  return found.sort();
}

const outlierStats = 'outlier_detection|membership_healthy|membership_total';

/** Requests while some upstreams fail, then who is out. */
function ejects(name: string, requests: number, replies: Readonly<Record<string, Reply>>, waitMs = 0): DifferentialCase {
  return {
    name: `${name} after ${requests} requests${waitMs > 0 ? ` and ${waitMs} ms` : ''}`,
    does: [],
    run: async (proxy) => {
      proxy.reply({ a: {}, b: {}, c: {}, d: {}, h2: {}, ...replies });
      const seen = await statuses(proxy, `/${name}`, requests);
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
      await proxy.takeLog(requests);
      proxy.takeSeen();
      return { seen: waitMs > 0 ? seen.length : seen, state: await admin(proxy, name, outlierStats) };
    },
  };
}

const limitStats =
  'circuit_breakers|upstream_rq_pending_overflow|upstream_cx_overflow|upstream_rq_retry|upstream_rq_pending_total|upstream_cx_total|upstream_rq_total|upstream_rq_cancelled|upstream_rq_active|upstream_cx_active|upstream_rq_pending_active';

/** Requests at the same time; `during` looks at the statistics while they run. */
function together(name: string, path: string, count: number, reply: Reply, during = false): DifferentialCase {
  return {
    name: `${count} at once to ${path}`,
    does: [],
    run: async (proxy) => {
      proxy.reply(reply);
      const running = Array.from({ length: count }, async (_value, i) => {
        // One after another, so that the order in which they arrive is given.
        await new Promise((resolve) => setTimeout(resolve, 25 * i));
        return statusOf(proxy, path);
      });
      let meanwhile: unknown;
      if (during) {
        await new Promise((resolve) => setTimeout(resolve, 120));
        meanwhile = await admin(proxy, name, limitStats);
      }
      const answers = (await Promise.all(running)).sort();
      const log = await proxy.takeLog(count);
      proxy.takeSeen();
      const lines = log.map(({ code, flags, details, attempts }) => ({ code, flags, details, attempts }));
      return {
        answers,
        meanwhile,
        log: lines.map((line) => JSON.stringify(line)).sort(),
        state: await admin(proxy, name, limitStats),
      };
    },
  };
}

const bad = (...which: string[]): Record<string, Reply> => Object.fromEntries(which.map((name) => [name, failing]));
const status = (code: number, ...which: string[]): Record<string, Reply> =>
  Object.fromEntries(which.map((name) => [name, { status: code }]));

export const outliersAndLimits: DifferentialFamily = {
  name: 'outliers-and-limits',
  waits: true,
  about: 'Outlier detection of every kind, circuit breakers and retry budgets: who is ejected, what overflows, and what is counted.',
  bootstrap,
  cases: [
    ejects('five-hundreds', 8, bad('a')),
    ejects('five-hundreds', 16, bad('a')),
    ejects('five-hundreds', 24, bad('b')),
    ejects('default-percent', 16, bad('a')),
    ejects('always-one', 16, bad('a')),
    ejects('zero-percent', 16, bad('a')),
    ejects('all-out', 12, bad(...names)),
    ejects('not-enforced', 16, bad('a')),
    ejects('gateway', 16, status(502, 'a')),
    ejects('gateway-default', 16, status(503, 'a')),
    ejects('resets', 16, { a: { instead: 'close' } }),
    ejects('split', 16, {}),
    ejects('split-statuses', 16, bad('a')),
    ejects('split-statuses', 24, { b: { instead: 'close' } }),
    ejects('back', 12, bad('a')),
    ejects('back', 4, {}, 500),
    ejects('percentage', 40, bad('a'), 700),
    ejects('success-rate', 40, bad('a'), 700),
    together('no-pending', '/no-pending', 1, {}),
    together('one-connection', '/one-connection', 3, slow, true),
    together('two-connections', '/two-connections', 4, slow, true),
    together('one-request-h2', '/one-request-h2', 3, slow, true),
    together('no-retries', '/no-retries', 1, failing),
    together('one-retry', '/one-retry', 1, failing),
    together('budget', '/budget', 1, failing),
    together('no-budget', '/no-budget', 1, failing),
    together('high', '/important/high', 1, {}),
    together('high', '/high', 1, {}),
    together('timeouts', '/timeouts', 1, {}),
  ],
};
