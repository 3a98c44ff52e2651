import type { ServerResponse } from 'node:http';
import type { DataplaneState } from '../dataplane-state.ts';
import { addressText, type EndpointAddress } from '../net/endpoint-address.ts';
import { tapParameters } from '../tap/tap-request.ts';
import { type AdminHelp, helpText, homePage } from './help.ts';
import { activeLevels, setLevels } from './logging.ts';
import { switchCpuProfiler } from './profiler.ts';
import { statsPage } from './stats-page.ts';
import { tapPage } from './tap.ts';

export interface AdminReply {
  readonly status?: number;
  readonly type?: string;
  readonly body: string;
  /** Answers by itself, for as long as it likes; `body` is not used then. */
  readonly stream?: (response: ServerResponse, clientAddress: string) => void;
}

export interface AdminHandler extends AdminHelp {
  run(query: URLSearchParams, state: DataplaneState): AdminReply | Promise<AdminReply>;
}

const json = (value: unknown): AdminReply => ({ type: 'application/json', body: `${JSON.stringify(value, undefined, 1)}\n` });
const ok: AdminReply = { body: 'OK\n' };
const notSupported = (what: string): AdminReply => ({ status: 501, body: `The current build does not support ${what}\n` });

type Run = AdminHandler['run'];
type Parameters = Readonly<Record<string, string>>;
const read = (path: string, help: string, run: Run, parameters: Parameters = {}): AdminHandler => ({
  path,
  help,
  mutates: false,
  run,
  parameters: Object.entries(parameters),
});
const mutate = (path: string, help: string, run: Run, parameters: Parameters = {}): AdminHandler => ({
  ...read(path, help, run, parameters),
  mutates: true,
});

/** An expression that names are to contain; `wrong` for one that is none. */
function expression(text: string | null): RegExp | 'wrong' | undefined {
  if (text === null) return undefined;
  try {
    return new RegExp(text);
  } catch {
    return 'wrong';
  }
}

const statsParameters: Parameters = {
  usedonly: 'Only include stats that have been written by system since restart',
  filter: 'Regular expression for filtering stats',
  invert_filter: 'Invert the filter regex',
};

/** Envoy's admin paths, and ours. */
export const adminHandlers: readonly AdminHandler[] = [
  read('/', 'Admin home page', (_, state) => ({ type: 'text/html; charset=UTF-8', body: homePage(adminHandlers, state.version) })),
  mutate('/allocprofiler', 'enable/disable the allocation profiler (if supported)', () => notSupported('an allocation profiler'), {
    enable: 'enable/disable the allocation profiler; One of (y, n)',
  }),
  read('/certs', 'print certs on machine', async (_, state) => json((await import('./certs.ts')).certificates(state))),
  read(
    '/clusters',
    'upstream cluster status',
    async (query, state) => {
      const { clustersJson, clustersText } = await import('./clusters.ts');
      const filter = expression(query.get('filter'));
      if (filter === 'wrong') return { status: 400, body: 'Invalid re2 regex' };
      await state.refreshHosts();
      return query.get('format') === 'json' ? json(clustersJson(state, filter)) : { body: clustersText(state, filter) };
    },
    { filter: 'Regular expression for clusters by name' },
  ),
  read('/config_dump', 'dump current Envoy configs', async (query, state) => (await import('./config-dump.ts')).configDump(query, state), {
    resource: 'The resource to dump',
    mask: 'The mask to apply, to every element when a resource is given; a protobuf FieldMask',
    name_regex: 'Dump only configurations whose names match',
    include_eds: 'Dump endpoints too',
  }),
  read('/contention', 'dump current Envoy mutex contention stats (if enabled)', () => ({
    body: 'Mutex contention tracing is not enabled. To enable, run Envoy with flag --enable-mutex-tracing.',
  })),
  mutate(
    '/cpuprofiler',
    'enable/disable the CPU profiler',
    async (query, state) => {
      const enable = query.get('enable');
      if (enable !== 'y' && enable !== 'n') return { status: 400, body: '?enable=<y|n>\n' };
      await switchCpuProfiler(enable === 'y', state.bootstrap.admin?.profilePath || 'xebec.cpuprofile');
      return ok;
    },
    { enable: 'enables the CPU profiler; One of (y, n)' },
  ),
  read('/heap_dump', 'dump current Envoy heap (if supported)', () => ({
    status: 501,
    body: 'A heap holds secrets: run the proxy with --heapsnapshot-signal of Node instead\n',
  })),
  mutate(
    '/heapprofiler',
    'enable/disable the heap profiler',
    () => ({
      status: 501,
      body: 'The current build does not support heap profiler',
    }),
    { enable: 'enables the heap profiler; One of (y, n)' },
  ),
  mutate(
    '/drain_listeners',
    'drain listeners',
    (query, state) => {
      const skipExit = query.has('skip_exit');
      // Envoy's documentation asks for `graceful` with `skip_exit`; Envoy takes it as said.
      state.drain({ inboundOnly: query.has('inboundonly'), graceful: skipExit || query.has('graceful'), skipExit });
      return ok;
    },
    {
      graceful: 'Wait for a drain period before listeners close',
      skip_exit: 'Drain connections, and never close listeners',
      inboundonly: 'Drain listeners whose traffic_direction is INBOUND',
    },
  ),
  mutate('/healthcheck/fail', 'cause the server to fail health checks', (_, state) => {
    state.healthy = false;
    return ok;
  }),
  mutate('/healthcheck/ok', 'cause the server to pass health checks', (_, state) => {
    state.healthy = true;
    return ok;
  }),
  read('/help', 'print out list of admin commands', () => ({ body: helpText(adminHandlers) })),
  read('/hot_restart_version', 'print the hot restart compatibility version', () => ({ body: 'disabled' })),
  read('/init_dump', 'dump current Envoy init manager information (experimental)', () => json({}), {
    mask: 'The components whose unready targets to dump',
  }),
  read(
    '/listeners',
    'print listener info',
    (query, state) => {
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
    },
    { format: 'File format to use; One of (text, json)' },
  ),
  mutate(
    '/logging',
    'query/change logging levels',
    (query, state) => {
      const usage = setLevels(query, state.logger);
      state.logLevelChanged();
      return { status: usage === undefined ? 200 : 400, body: `${usage ?? ''}${activeLevels(state.logger)}` };
    },
    {
      paths: 'Change levels by <logger>:<level>,<logger>:<level>',
      group: 'Change the level of a group of loggers; needs fine-grain logging, which is not built in',
      level: 'desired logging level; One of (, trace, debug, info, warning, error, critical, off)',
    },
  ),
  read('/memory', 'print current allocation/heap usage', () => {
    const usage = process.memoryUsage();
    return json({
      allocated: String(usage.heapUsed),
      heap_size: String(usage.heapTotal),
      pageheap_unmapped: '0',
      pageheap_free: String(usage.heapTotal - usage.heapUsed),
      total_thread_cache: '0',
      total_physical_bytes: String(usage.rss),
    });
  }),
  read('/memory/tcmalloc', 'print TCMalloc stats', () => notSupported('TCMalloc')),
  read('/peak_heap_dump', 'dump peak Envoy heap (if supported)', () => notSupported('a dump of the heap at its peak')),
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
  read('/runtime', 'print runtime values', (_, state) => json(state.runtime.describe())),
  mutate(
    '/runtime_modify',
    'Adds or modifies runtime values as passed in query parameters. An empty value deletes an override.',
    (query, state) => {
      if (query.size === 0) {
        return {
          status: 400,
          body: 'usage: /runtime_modify?key1=value1&key2=value2&keyN=valueN\n       or send the parameters as form values\nuse an empty value to remove a previously added override',
        };
      }
      return state.modifyRuntime([...query]) ? ok : { status: 503, body: 'No admin layer specified' };
    },
  ),
  read('/server_info', 'print server version/status information', async (_, state) => (await import('./server-info.ts')).serverInfo(state)),
  read('/stats', 'print server stats', (query, state) => statsPage(query, state), {
    ...statsParameters,
    format: 'Format to use; One of (html, active-html, text, json)',
    type: 'Stat types to include.; One of (All, Counters, Histograms, Gauges, TextReadouts)',
    histogram_buckets: 'Histogram bucket display mode; One of (cumulative, disjoint, detailed, summary)',
  }),
  read('/stats/prometheus', 'print server stats in prometheus format', (query, state) => statsPage(query, state, 'prometheus'), {
    usedonly: statsParameters['usedonly'] ?? '',
    text_readouts: 'Show texts as gauges of 0 with a label',
    filter: statsParameters['filter'] ?? '',
    invert_filter: statsParameters['invert_filter'] ?? '',
    histogram_buckets: 'Histogram bucket display mode; One of (cumulative, summary)',
  }),
  read('/stats/recentlookups', 'Show recent stat-name lookups', () => ({
    body: 'Lookup tracking is not enabled. Use /stats/recentlookups/enable to enable.\n\ntotal: 0\n',
  })),
  mutate('/stats/recentlookups/clear', 'clear list of stat-name lookups and counter', () => ok),
  mutate('/stats/recentlookups/disable', 'disable recording of reset stat-name lookup names', () => ok),
  mutate('/stats/recentlookups/enable', 'enable recording of reset stat-name lookup names', () => ok),
  { ...mutate('/tap/stream', 'stream finished requests and connections as lines of JSON', tapPage, tapParameters), own: true },
];
