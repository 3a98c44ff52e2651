import { formatPrometheus, formatStatsJson, formatStatsText } from '@xebec/telemetry';
import type { DataplaneState } from '../dataplane.ts';
import { addressText, type EndpointAddress } from '../net/endpoint-address.ts';
import { refreshServerStats } from '../runtime/server-stats.ts';

export interface AdminReply {
  readonly status?: number;
  readonly type?: string;
  readonly body: string;
}

export interface AdminHandler {
  readonly path: string;
  readonly help: string;
  readonly mutates: boolean;
  run(query: URLSearchParams, state: DataplaneState): AdminReply | Promise<AdminReply>;
}

const json = (value: unknown): AdminReply => ({ type: 'application/json', body: `${JSON.stringify(value, undefined, 1)}\n` });
const ok: AdminReply = { body: 'OK\n' };

type Run = AdminHandler['run'];
const read = (path: string, help: string, run: Run): AdminHandler => ({ path, help, mutates: false, run });
const mutate = (path: string, help: string, run: Run): AdminHandler => ({ path, help, mutates: true, run });

/** Envoy's admin paths. */
export const adminHandlers: readonly AdminHandler[] = [
  read('/', 'Admin home page', (_, state) => ({
    body: `xebec ${state.version}\n${adminHandlers.map(({ path, help }) => `${path}: ${help}\n`).join('')}`,
  })),
  read('/certs', 'print certs on machine', async (_, state) => json((await import('./certs.ts')).certificates(state))),
  read('/clusters', 'upstream cluster status', async (query, state) => {
    const { clustersJson, clustersText } = await import('./clusters.ts');
    await state.refreshHosts();
    return query.get('format') === 'json' ? json(clustersJson(state)) : { body: clustersText(state) };
  }),
  read('/config_dump', 'dump current Envoy configs (experimental)', async (query, state) =>
    (await import('./config-dump.ts')).configDump(query, state),
  ),
  mutate('/drain_listeners', 'drain listeners', (query, state) => {
    const skipExit = query.has('skip_exit');
    // Envoy's documentation asks for `graceful` with `skip_exit`; Envoy takes it as said.
    state.drain({ inboundOnly: query.has('inboundonly'), graceful: skipExit || query.has('graceful'), skipExit });
    return ok;
  }),
  mutate('/healthcheck/fail', 'cause the server to fail health checks', (_, state) => {
    state.healthy = false;
    return ok;
  }),
  mutate('/healthcheck/ok', 'cause the server to pass health checks', (_, state) => {
    state.healthy = true;
    return ok;
  }),
  read('/help', 'print out list of admin commands', () => ({
    body: `admin commands are:\n${adminHandlers.map(({ path, help }) => `  ${path}: ${help}\n`).join('')}`,
  })),
  read('/hot_restart_version', 'print the hot restart compatibility version', () => ({ body: 'disabled\n' })),
  read('/init_dump', 'dump current Envoy init manager information (experimental)', () => json({})),
  read('/listeners', 'print listener info', (query, state) => {
    // Port 0 is shown as the port that it became.
    const listening = [...state.listeners.entries].flatMap(({ name, active }) =>
      active === undefined ? [] : [{ name, bound: state.listeners.boundAddresses(name) }],
    );
    if (query.get('format') !== 'json')
      return { body: listening.flatMap(({ name, bound }) => bound.map((address) => `${name}::${addressText(address)}\n`)).join('') };
    const proto = (address: EndpointAddress): object =>
      address.kind === 'pipe'
        ? { pipe: { path: address.path } }
        : { socket_address: { address: address.address, port_value: address.port } };
    const listener_statuses = listening.map(({ name, bound: [first, ...more] }) => ({
      name,
      ...(first === undefined ? {} : { local_address: proto(first) }),
      ...(more.length === 0 ? {} : { additional_local_addresses: more.map(proto) }),
    }));
    return json({ listener_statuses });
  }),
  mutate('/logging', 'query/change logging levels', (query, state) => {
    const level = query.get('level') ?? [...query.values()][0];
    const logger: object = state.logger;
    if (level !== undefined && level !== '' && 'level' in logger) Reflect.set(logger, 'level', level);
    return { body: `active loggers:\n  xebec: ${'level' in logger ? String(logger.level) : 'unknown'}\n` };
  }),
  read('/memory', 'print current allocation/heap usage', () => {
    const usage = process.memoryUsage();
    return json({ allocated: String(usage.heapUsed), heap_size: String(usage.heapTotal), total_physical_bytes: String(usage.rss) });
  }),
  mutate('/quitquitquit', 'exit the server', (_, state) => {
    state.quit();
    return ok;
  }),
  read('/ready', 'print server state, return 200 if LIVE, otherwise return 503', (_, state) => {
    const text = state.healthy ? state.lifecycle : 'DRAINING';
    return { status: text === 'LIVE' ? 200 : 503, body: `${text}\n` };
  }),
  mutate('/reopen_logs', 'reopen access logs', (_, state) => {
    state.reopenLogs();
    return ok;
  }),
  mutate('/reset_counters', 'reset all counters to zero', (_, state) => {
    state.resetCounters();
    return ok;
  }),
  read('/runtime', 'print runtime values', () => json({ layers: [], entries: {} })),
  read('/server_info', 'print server version/status information', async (_, state) => (await import('./server-info.ts')).serverInfo(state)),
  read('/stats', 'print server stats', (query, state) => stats(query, state, query.get('format') ?? 'text')),
  read('/stats/prometheus', 'print server stats in prometheus format', (query, state) => stats(query, state, 'prometheus')),
];

function stats(query: URLSearchParams, state: DataplaneState, format: string): AdminReply {
  const filter = query.get('filter');
  let pattern: RegExp | undefined;
  try {
    pattern = filter === null ? undefined : new RegExp(filter);
  } catch {
    return { status: 400, body: `Invalid re2 regex: "${filter}"\n` };
  }
  refreshServerStats(state);
  const options = { usedOnly: query.has('usedonly'), ...(pattern === undefined ? {} : { filter: pattern }) };
  const samples = state.stats.collect();
  if (format === 'json') return { type: 'application/json', body: formatStatsJson(samples, options) };
  if (format === 'prometheus') return { type: 'text/plain; version=0.0.4; charset=utf-8', body: formatPrometheus(samples, options) };
  return { body: formatStatsText(samples, options) };
}
