import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededRandom, silentLogger, systemClock } from '@xebec/core';
import { afterEach, expect, it } from 'vitest';
import { parseBootstrap } from '../config/bootstrap.ts';
import { type Dataplane, type DataplaneOptions, startDataplane } from '../dataplane.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function until(holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error('not within 10 s');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const directResponse = (body: string, prefix: string) => ({
  filters: [
    {
      name: 'http',
      typed_config: {
        '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
        stat_prefix: prefix,
        http_filters: [{ name: 'router', typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' } }],
        route_config: {
          virtual_hosts: [
            {
              name: 'all',
              domains: ['*'],
              routes: [{ match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: body } } }],
            },
          ],
        },
      },
    },
  ],
});

/** A chain for clients at one loopback address. */
const chainFor = (source: string, body: string) => ({
  filter_chain_match: { source_prefix_ranges: [{ address_prefix: source, prefix_len: 32 }] },
  ...directResponse(body, 'test'),
});

const anyPort = { socket_address: { address: '127.0.0.1', port_value: 0 } };

interface Rig {
  readonly dataplane: Dataplane;
  readonly port: number;
  write(listeners: readonly object[]): void;
}

async function start(listeners: readonly object[], options: Partial<DataplaneOptions> = {}, bootstrap: object = {}): Promise<Rig> {
  const directory = mkdtempSync(join(tmpdir(), 'xebec-listeners-'));
  closers.push(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'lds.json');
  let version = 0;
  const write = (wanted: readonly object[]): void => {
    version++;
    const resources = wanted.map((listener) => ({ '@type': 'type.googleapis.com/envoy.config.listener.v3.Listener', ...listener }));
    writeFileSync(`${path}.new`, JSON.stringify({ version_info: `${version}`, resources }));
    renameSync(`${path}.new`, path);
  };
  write(listeners);
  const dataplane = await startDataplane({
    bootstrap: parseBootstrap(
      JSON.stringify({ dynamic_resources: { lds_config: { path_config_source: { path } } }, ...bootstrap }),
      'test.json',
    ),
    clock: systemClock,
    random: seededRandom(1),
    logger: silentLogger,
    version: 'test',
    drain: { drainTimeMs: 300, strategy: 'immediate' },
    ...options,
  });
  closers.push(() => dataplane.close());
  await dataplane.ready;
  const bound = dataplane.state.listeners.boundAddress('main');
  return { dataplane, write, port: bound?.kind === 'tcp' ? bound.port : 0 };
}

function client(port: number, localAddress: string): Socket {
  const socket = connect({ port, host: '127.0.0.1', localAddress });
  socket.on('error', () => undefined);
  closers.push(() => socket.destroy());
  return socket;
}

async function ask(socket: Socket): Promise<string> {
  socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  return new Promise((resolve) => {
    socket.once('data', (bytes: Buffer) => resolve(bytes.toString()));
    socket.once('close', () => resolve('closed'));
  });
}

function stat({ dataplane }: Rig, name: string): number {
  const sample = dataplane.state.stats.collect().find((each) => each.name === name);
  return sample === undefined || sample.kind === 'histogram' || sample.kind === 'text' ? Number.NaN : sample.value;
}

for (const concurrency of [1, 2]) {
  it(`replaces a filter chain in place and drains only its connections (${concurrency} threads)`, async () => {
    const kept = chainFor('127.0.0.1', 'kept');
    const rig = await start([{ name: 'main', address: anyPort, filter_chains: [kept, chainFor('127.0.0.2', 'old')] }], { concurrency });
    const [one, two] = [client(rig.port, '127.0.0.1'), client(rig.port, '127.0.0.2')];
    expect(await ask(one)).toContain('kept');
    expect(await ask(two)).toContain('old');
    rig.write([{ name: 'main', address: anyPort, filter_chains: [kept, chainFor('127.0.0.2', 'new')] }]);
    await until(() => stat(rig, 'listener_manager.listener_in_place_updated') === 1);
    // Where workers apply it, they do so a moment later.
    let fresh = '';
    while (!fresh.includes('new')) fresh = await ask(client(rig.port, '127.0.0.2'));
    if (concurrency === 1) expect(stat(rig, 'listener_manager.total_filter_chains_draining')).toBe(1);
    const answer = await ask(two);
    expect(answer === 'closed' || (answer.includes('old') && answer.includes('connection: close'))).toBe(true);
    await until(() => two.destroyed || two.readableEnded);
    await until(() => stat(rig, 'listener_manager.total_filter_chains_draining') === 0);
    expect(await ask(one)).not.toContain('connection: close');
    expect(rig.dataplane.state.listeners.boundAddress('main')).toMatchObject({ port: rig.port });
  });
}

it('drains every connection of a listener that changed otherwise, and goes on listening', async () => {
  const chains = [directResponse('hello', 'test')];
  const rig = await start([{ name: 'main', address: anyPort, filter_chains: chains }]);
  const socket = client(rig.port, '127.0.0.1');
  await ask(socket);
  rig.write([{ name: 'main', address: anyPort, per_connection_buffer_limit_bytes: 4096, filter_chains: chains }]);
  await until(() => stat(rig, 'listener_manager.listener_modified') === 1);
  expect(stat(rig, 'listener_manager.listener_in_place_updated')).toBe(0);
  expect(stat(rig, 'listener_manager.total_listeners_draining')).toBe(1);
  expect(await ask(socket)).toContain('connection: close');
  expect(await ask(client(rig.port, '127.0.0.1'))).toContain('hello');
});

it('cuts connections of a removed listener when the drain time is over', async () => {
  const listener = { name: 'main', address: anyPort, filter_chains: [directResponse('hello', 'test')] };
  const rig = await start([listener]);
  const socket = client(rig.port, '127.0.0.1');
  await ask(socket);
  rig.write([]);
  await until(() => stat(rig, 'listener_manager.listener_removed') === 1);
  await until(() => socket.destroyed);
  expect(rig.dataplane.state.activeConnections).toBe(0);
});

it('listens on additional addresses, each with its own port, and refuses an address that is taken', async () => {
  const filter_chains = [directResponse('hello', 'test')];
  const rig = await start([{ name: 'main', address: anyPort, additional_addresses: [{ address: anyPort }], filter_chains }]);
  const ports = rig.dataplane.state.listeners.boundAddresses('main').map((address) => (address.kind === 'tcp' ? address.port : 0));
  expect(new Set(ports).size).toBe(2);
  for (const port of ports) expect(await ask(client(port, '127.0.0.1'))).toContain('hello');
  const taken = { socket_address: { address: '127.0.0.1', port_value: 1 } };
  const same = ['a', 'b'].map((name) => ({ name, address: taken, bind_to_port: false, filter_chains }));
  rig.write([{ name: 'main', address: anyPort, additional_addresses: [{ address: anyPort }], filter_chains }, ...same]);
  await until(() => stat(rig, 'listener_manager.lds.update_rejected') === 1);
  expect([...rig.dataplane.state.listeners.entries].map(({ name }) => name)).toEqual(['main', 'a']);
});

it('limits connections of a listener and of all', async () => {
  const runtime = { 'envoy.resource_limits.listener.main.connection_limit': 1 };
  const filter_chains = [directResponse('hello', 'test')];
  const rig = await start(
    [{ name: 'main', address: anyPort, filter_chains }],
    {},
    {
      layered_runtime: { layers: [{ name: 'static', static_layer: runtime }] },
    },
  );
  const first = client(rig.port, '127.0.0.1');
  expect(await ask(first)).toContain('hello');
  expect(await ask(client(rig.port, '127.0.0.1'))).toBe('closed');
  expect(stat(rig, 'listener.127.0.0.1_0.downstream_cx_overflow')).toBe(1);
  first.destroy();
  await until(() => rig.dataplane.state.activeConnections === 0);
  expect(await ask(client(rig.port, '127.0.0.1'))).toContain('hello');
});

it('binds to an address that the machine does not have, with options set on the socket', async () => {
  // 198.51.100.0/24 is for documentation (RFC 5737): nobody has it.
  const elsewhere = { socket_address: { address: '198.51.100.7', port_value: 0 } };
  const filter_chains = [directResponse('hello', 'test')];
  const SO_KEEPALIVE = { level: 1, name: 9, int_value: 1 };
  const rig = await start([{ name: 'main', address: elsewhere, freebind: true, socket_options: [SO_KEEPALIVE], filter_chains }]);
  expect(rig.port).toBeGreaterThan(0);
  rig.write([
    { name: 'main', address: elsewhere, freebind: true, socket_options: [SO_KEEPALIVE], filter_chains },
    { name: 'plain', address: elsewhere, filter_chains },
  ]);
  await until(() => [...rig.dataplane.state.listeners.entries].some(({ error }) => error?.details.includes('EADDRNOTAVAIL') === true));
});
