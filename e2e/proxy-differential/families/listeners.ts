import { renameSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { address, httpConnectionManager, type, virtualHost } from '../harness/configuration.ts';
import type { DifferentialCase, DifferentialFamily, Json, ProxyUnderTest, Site } from '../harness/family.ts';

const respond = (site: Site, body: string, more: Json = {}): Json => ({
  filters: [
    httpConnectionManager(site, [
      virtualHost([{ match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: body } } }]),
    ]),
  ],
  ...more,
});

const listener = (site: Site, name: string, more: Json = {}): Json => ({
  name,
  address: address(site.port(name)),
  filter_chains: [respond(site, name)],
  ...more,
});

/** A chain for clients at one loopback address. */
const chainFrom = (site: Site, source: string, body: string): Json =>
  respond(site, body, { filter_chain_match: { source_prefix_ranges: [{ address_prefix: source, prefix_len: 32 }] } });

const ldsPath = (site: Site): string => join(site.directory, 'listeners.json');

function writeListeners(site: Site, version: string, listeners: readonly Json[]): void {
  const path = ldsPath(site);
  const resources = listeners.map((each) => ({ '@type': type('envoy.config.listener.v3.Listener'), ...each }));
  writeFileSync(`${path}.new`, JSON.stringify({ version_info: version, resources }));
  renameSync(`${path}.new`, path);
}

const dynamic = (site: Site, changing: string, more: Json = {}): Json =>
  listener(site, 'dynamic', { filter_chains: [chainFrom(site, '127.0.0.1', 'kept'), chainFrom(site, '127.0.0.2', changing)], ...more });

/** A connection that is kept between requests. */
class KeptConnection {
  readonly #socket: Socket;
  #text = '';
  #ended = '';
  constructor(port: number, from = '127.0.0.1') {
    this.#socket = connect({ port, host: '127.0.0.1', localAddress: from });
    this.#socket.on('data', (bytes) => {
      this.#text += bytes.toString('latin1');
    });
    this.#socket.on('end', () => {
      this.#ended ||= 'closed';
    });
    this.#socket.on('error', () => {
      this.#ended ||= 'reset';
    });
  }
  /** `status, connection header, body`, or how the connection ended without an answer. */
  async ask(): Promise<string> {
    this.#text = '';
    this.#socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    const deadline = Date.now() + 1000;
    while (!this.#text.includes('\r\n\r\n') && this.#ended === '' && Date.now() < deadline) await delay(5);
    await delay(60);
    const [head = '', body = ''] = this.#text.split('\r\n\r\n');
    if (head === '') return this.#ended;
    return [head.split('\r\n')[0], /^connection: (.*)$/im.exec(head)?.[1] ?? 'kept', body].join(', ');
  }
  async ended(withinMs: number): Promise<string> {
    const deadline = Date.now() + withinMs;
    while (this.#ended === '' && Date.now() < deadline) await delay(10);
    return this.#ended === '' ? 'open' : this.#ended;
  }
  close(): void {
    this.#socket.destroy();
  }
}

async function connects(port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => {
      socket.destroy();
      resolve('accepted');
    });
    socket.on('error', (error) => resolve('code' in error ? String(error.code) : error.message));
  });
}

async function admin(proxy: ProxyUnderTest, path: string, method = 'GET'): Promise<{ status: number; text: string }> {
  const response = await fetch(`http://127.0.0.1:${proxy.adminPort}${path}`, { method });
  return { status: response.status, text: await response.text() };
}

async function stats(proxy: ProxyUnderTest, filter: string): Promise<string[]> {
  const { text } = await admin(proxy, `/stats?filter=${encodeURIComponent(filter)}`);
  return text
    .split('\n')
    .filter((line) => line !== '')
    .sort();
}

/** Counts when an update has been applied. */
async function applied(proxy: ProxyUnderTest, name: string, value: number): Promise<void> {
  const deadline = Date.now() + 5000;
  while (Date.now() < deadline) {
    if ((await stats(proxy, `^${name.replaceAll('.', '\\.')}$`)).includes(`${name}: ${value}`)) return;
    await delay(20);
  }
}

const names = (lines: readonly string[]): string[] => lines.map((line) => line.slice(0, line.indexOf(': ')));

const cases: readonly DifferentialCase[] = [
  {
    name: 'listeners as text',
    does: [],
    logs: 0,
    run: async (proxy) =>
      (await admin(proxy, '/listeners')).text
        .split('\n')
        .map((line) => line.replace(/:\d+$/, ':PORT'))
        .sort(),
  },
  {
    name: 'listeners as JSON',
    does: [],
    logs: 0,
    run: async (proxy) => {
      const { listener_statuses } = JSON.parse((await admin(proxy, '/listeners?format=json')).text) as { listener_statuses: Json[] };
      return JSON.parse(JSON.stringify(listener_statuses).replaceAll(/"port_value":\d+/g, '"port_value":1')) as unknown;
    },
  },
  {
    name: 'every port 0 became a port of its own',
    does: [],
    logs: 0,
    run: async (proxy) => {
      const ports = [...(await admin(proxy, '/listeners')).text.matchAll(/^several::.*:(\d+)$/gm)].map((match) => Number(match[1]));
      return [ports.length, new Set(ports).size, await Promise.all(ports.map(connects))];
    },
  },
  {
    name: "names of a listener's stats",
    does: [],
    logs: 0,
    run: async (proxy) => {
      const connection = new KeptConnection(proxy.site.port('named'));
      await connection.ask();
      connection.close();
      return names(await stats(proxy, '^listener\\.named_here\\.')).filter((name) => !name.includes('.http.'));
    },
  },
  {
    name: 'a listener without stat_prefix is counted under its address',
    does: [],
    logs: 0,
    run: async (proxy) => {
      const connection = new KeptConnection(proxy.site.port('inbound'));
      await connection.ask();
      connection.close();
      await delay(50);
      const port = proxy.site.port('inbound');
      const lines = await stats(proxy, `^listener\\.127\\.0\\.0\\.1_${port}\\..*downstream_cx_(total|active|destroy)$`);
      return lines.map((line) => line.replace(String(port), 'PORT'));
    },
  },
  { name: "names of the listener manager's stats", does: [], logs: 0, run: async (proxy) => stats(proxy, '^listener_manager\\.[a-z_]+$') },
  { name: "names of the server's stats", does: [], logs: 0, run: async (proxy) => names(await stats(proxy, '^server\\.')) },
  {
    name: 'state of the server',
    does: [],
    logs: 0,
    run: async (proxy) => stats(proxy, '^server\\.(live|state|concurrency|days_until_first_cert_expiring|hot_restart_epoch)$'),
  },
  {
    name: 'connection_limit of a listener',
    does: [],
    logs: 0,
    run: async (proxy) => {
      const first = new KeptConnection(proxy.site.port('limited'));
      const seen = [await first.ask()];
      const second = new KeptConnection(proxy.site.port('limited'));
      seen.push(await second.ended(500));
      first.close();
      await delay(100);
      const third = new KeptConnection(proxy.site.port('limited'));
      seen.push(await third.ask());
      third.close();
      return [seen, await stats(proxy, '^listener\\.limited\\.downstream_(global_)?cx_overflow$')];
    },
  },
  {
    name: 'failed health check closes kept connections',
    does: [],
    logs: 0,
    run: async (proxy) => {
      const [inbound, modify] = [new KeptConnection(proxy.site.port('inbound')), new KeptConnection(proxy.site.port('modify'))];
      const seen = [await inbound.ask(), await modify.ask()];
      await admin(proxy, '/healthcheck/fail', 'POST');
      const ready = await admin(proxy, '/ready');
      const state = await stats(proxy, '^server\\.live$');
      seen.push(await inbound.ask(), await modify.ask());
      await admin(proxy, '/healthcheck/ok', 'POST');
      const again = new KeptConnection(proxy.site.port('inbound'));
      seen.push(await again.ask(), (await admin(proxy, '/ready')).text);
      for (const each of [inbound, modify, again]) each.close();
      return { seen, ready, state };
    },
  },
  {
    name: 'a changed filter chain drains, its neighbour does not',
    does: [],
    logs: 0,
    run: async (proxy) => {
      const port = proxy.site.port('dynamic');
      const [kept, changed] = [new KeptConnection(port), new KeptConnection(port, '127.0.0.2')];
      const seen = [await kept.ask(), await changed.ask()];
      writeListeners(proxy.site, '2', [dynamic(proxy.site, 'new')]);
      await applied(proxy, 'listener_manager.listener_in_place_updated', 1);
      await delay(100);
      const draining = await stats(proxy, '^listener_manager\\.(total_filter_chains_draining|total_listeners_draining|listener_modified)$');
      seen.push(await kept.ask(), await changed.ask());
      const fresh = new KeptConnection(port, '127.0.0.2');
      seen.push(await fresh.ask());
      for (const each of [kept, changed, fresh]) each.close();
      return { seen, draining };
    },
  },
  {
    name: 'connections of a replaced chain are cut after the drain time',
    does: [],
    logs: 0,
    run: async (proxy) => {
      const idle = new KeptConnection(proxy.site.port('dynamic'), '127.0.0.2');
      const seen = [await idle.ask()];
      writeListeners(proxy.site, '3', [dynamic(proxy.site, 'newest')]);
      await applied(proxy, 'listener_manager.listener_in_place_updated', 2);
      seen.push(await idle.ended(4000));
      return seen;
    },
  },
  {
    name: 'any other change drains the whole listener',
    does: [],
    logs: 0,
    run: async (proxy) => {
      const port = proxy.site.port('dynamic');
      const kept = new KeptConnection(port);
      const seen = [await kept.ask()];
      writeListeners(proxy.site, '4', [dynamic(proxy.site, 'newest', { per_connection_buffer_limit_bytes: 32_768 })]);
      await applied(proxy, 'listener_manager.listener_modified', 3);
      await delay(100);
      seen.push(await kept.ask());
      const fresh = new KeptConnection(port);
      seen.push(await fresh.ask(), ...(await stats(proxy, '^listener_manager\\.listener_(in_place_updated|modified)$')));
      for (const each of [kept, fresh]) each.close();
      return seen;
    },
  },
  {
    name: 'a removed listener stops listening and lets its connections finish',
    does: [],
    logs: 0,
    run: async (proxy) => {
      const port = proxy.site.port('dynamic');
      const kept = new KeptConnection(port);
      const seen = [await kept.ask()];
      writeListeners(proxy.site, '5', []);
      await applied(proxy, 'listener_manager.listener_removed', 1);
      await delay(100);
      seen.push(await connects(port), await kept.ask());
      kept.close();
      return seen;
    },
  },
  {
    name: 'a listener at an address that another has is refused',
    does: [],
    logs: 0,
    run: async (proxy) => {
      writeListeners(proxy.site, '6', [listener(proxy.site, 'second', { address: address(proxy.site.port('inbound')) })]);
      await applied(proxy, 'listener_manager.lds.update_rejected', 1);
      return stats(proxy, '^listener_manager\\.(listener_added|listener_create_failure|lds\\.update_rejected)$');
    },
  },
  {
    name: 'graceful drain of inbound listeners',
    does: [],
    logs: 0,
    run: async (proxy) => {
      const [inbound, outbound] = [new KeptConnection(proxy.site.port('inbound')), new KeptConnection(proxy.site.port('outbound'))];
      const seen = [await inbound.ask(), await outbound.ask()];
      const answer = await admin(proxy, '/drain_listeners?graceful&inboundonly', 'POST');
      await delay(100);
      seen.push(await inbound.ask(), await outbound.ask());
      seen.push(await connects(proxy.site.port('inbound')), (await admin(proxy, '/ready')).text);
      await applied(proxy, 'listener_manager.listener_stopped', 1);
      seen.push(await connects(proxy.site.port('inbound')), await connects(proxy.site.port('outbound')));
      for (const each of [inbound, outbound]) each.close();
      return { answer, seen, stopped: await stats(proxy, '^listener_manager\\.(listener_stopped|total_listeners_active)$') };
    },
  },
  {
    name: 'drain without grace stops all listeners at once',
    does: [],
    logs: 0,
    run: async (proxy) => {
      const kept = new KeptConnection(proxy.site.port('outbound'));
      const seen = [await kept.ask()];
      await admin(proxy, '/drain_listeners', 'POST');
      await delay(200);
      seen.push(await connects(proxy.site.port('outbound')), await connects(proxy.site.port('modify')), await kept.ask());
      kept.close();
      return { seen, listeners: (await admin(proxy, '/listeners')).text.split('\n').length };
    },
  },
];

export const family: DifferentialFamily = {
  name: 'listeners',
  about: 'Listeners: their stats, ports, limits, updates in place and drains, and what a client with a kept connection sees',
  args: ['--drain-strategy', 'immediate', '--drain-time-s', '2'],
  bootstrap(site) {
    writeListeners(site, '1', [dynamic(site, 'old')]);
    return {
      node: { id: 'listeners', cluster: 'differential' },
      dynamic_resources: { lds_config: { path_config_source: { path: ldsPath(site) } } },
      static_resources: {
        listeners: [
          listener(site, 'http'),
          listener(site, 'named', { stat_prefix: 'named_here' }),
          listener(site, 'several', { address: address(0), additional_addresses: [{ address: address(0) }] }),
          listener(site, 'limited', { stat_prefix: 'limited' }),
          listener(site, 'inbound', { traffic_direction: 'INBOUND' }),
          listener(site, 'outbound', { traffic_direction: 'OUTBOUND' }),
          listener(site, 'modify', { drain_type: 'MODIFY_ONLY' }),
        ],
      },
      layered_runtime: {
        layers: [{ name: 'static', static_layer: { 'envoy.resource_limits.listener.limited.connection_limit': 1 } }],
      },
    };
  },
  upstreams: {},
  cases,
};
