import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { eventually, freePort, startDaemon } from '../src/daemon-process.ts';
import { certificates, DR, git, openFolder, rule, startGalley, subsets, VS } from './galley-process.ts';
import { type Peer, pythonWithMcp, startPeer } from './python-peer.ts';

vi.setConfig({ testTimeout: 240_000 });

let python = '';
let scratch: Awaited<ReturnType<typeof openFolder>>;
const stubs = () => join(scratch.folder, 'stubs');

beforeAll(async () => {
  scratch = await openFolder();
  python = await pythonWithMcp(stubs());
}, 300_000);
afterAll(() => scratch.close());

function peer(...args: readonly string[]): Peer {
  const started = startPeer(python, stubs(), args);
  onTestFinished(() => started.stop());
  return started;
}

async function galley(args: readonly string[]) {
  const started = await startGalley(args);
  onTestFinished(() => started.stop());
  return started;
}

async function folder() {
  const opened = await openFolder();
  onTestFinished(opened.close);
  return opened;
}

describe('MCP with a sink in Python', () => {
  it('sends whole collections, one at a time, and what was refused only when it has changed', async () => {
    const files = await folder();
    await files.write('a.yaml', rule('a', 'one'));
    const { mcpPort } = await galley(['--config-dir', files.folder]);
    const sink = peer('sink', `127.0.0.1:${mcpPort}`);
    sink.send({ sinkNode: { id: 'python' }, collection: VS });
    const first = await sink.next('the first response');
    expect(first).toMatchObject({
      collection: VS,
      incremental: false,
      removed: [],
      bodies: ['type.googleapis.com/istio.networking.v1alpha3.VirtualService'],
    });
    expect(Object.keys(first.resources ?? {})).toEqual(['shop/a']);
    // No answer yet: the change waits.
    await files.write('b.yaml', rule('b', 'one'));
    sink.send({ collection: DR });
    expect(await sink.next('the other collection')).toMatchObject({ collection: DR, resources: {} });
    sink.send({ collection: VS, responseNonce: first.nonce });
    const second = await sink.next('the change');
    expect(Object.keys(second.resources ?? {}).sort()).toEqual(['shop/a', 'shop/b']);
    expect(second.version).not.toBe(first.version);
    sink.send({ collection: VS, responseNonce: second.nonce, errorDetail: { code: 3, message: 'not this' } });
    await files.write('b.yaml', rule('b', 'two'));
    const third = await sink.next('another version');
    expect(third).toMatchObject({ collection: VS, incremental: false });
    expect(third.resources?.['shop/b']).not.toBe(second.resources?.['shop/b']);
    sink.send({ collection: VS, responseNonce: third.nonce });
    sink.send({ collection: 'no/such' });
    expect(await sink.next('the end')).toMatchObject({ end: 'INVALID_ARGUMENT', details: 'unknown collection "no/such"' });
    expect(sink.received).toHaveLength(5);
  });

  it('sends differences to who asks for them, and after a reconnect only what the sink has not', async () => {
    const files = await folder();
    for (let i = 0; i < 300; i++) await files.write(`r${i}.yaml`, rule(`r${i}`, 'one'));
    const { mcpPort } = await galley(['--config-dir', files.folder]);
    const first = peer('sink', `127.0.0.1:${mcpPort}`);
    first.send({ collection: VS, incremental: true });
    const all = await first.next('everything');
    expect(Object.keys(all.resources ?? {})).toHaveLength(300);
    first.send({ collection: VS, incremental: true, responseNonce: all.nonce });
    await files.write('r7.yaml', rule('r7', 'two'));
    await files.remove('r8.yaml');
    const held: Record<string, string> = { ...all.resources };
    while (held['shop/r8'] !== undefined || held['shop/r7'] === all.resources?.['shop/r7']) {
      const change = await first.next('the difference');
      expect(change.incremental).toBe(true);
      expect(Object.keys(change.resources ?? {}).length).toBeLessThanOrEqual(1);
      Object.assign(held, change.resources);
      for (const name of change.removed ?? []) delete held[name];
      first.send({ collection: VS, incremental: true, responseNonce: change.nonce });
    }
    await first.stop();
    await files.write('r9.yaml', rule('r9', 'two'));
    const again = peer('sink', `127.0.0.1:${mcpPort}`);
    again.send({ collection: VS, incremental: true, initialResourceVersions: held });
    const resumed = await eventually('the change meanwhile', () => {
      const last = again.received.at(-1);
      if (last?.resources?.['shop/r9'] !== undefined) return last;
      if (last?.nonce !== undefined) again.send({ collection: VS, incremental: true, responseNonce: last.nonce });
      return undefined;
    });
    expect(Object.keys(resumed.resources ?? {})).toEqual(['shop/r9']);
    expect(resumed.bytes).toBeLessThan((all.bytes ?? 0) / 50);
  });

  it('keeps no memory for sinks that never answer', async () => {
    const files = await folder();
    const many = (host: string) => Array.from({ length: 3_000 }, (_, i) => rule(`r${i}`, host)).join('---\n');
    await files.write('many.yaml', many('start'));
    const { mcpPort, process, page } = await galley(['--config-dir', files.folder]);
    const rssMb = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${process.child.pid}/status`, 'utf8'))?.[1]) / 1024;
    const witness = peer('sink', `127.0.0.1:${mcpPort}`);
    const change = async (host: string) => {
      const before = witness.received.length;
      await files.write('many.yaml', many(host));
      const got = await eventually(`${host} at the witness`, () => witness.received[before]);
      witness.send({ collection: VS, responseNonce: got.nonce });
    };
    witness.send({ collection: VS });
    witness.send({ collection: VS, responseNonce: (await witness.next('everything')).nonce });
    // Buffers, code and heap of a process at work are there before the measurement.
    for (let round = 0; round < 5; round++) await change(`warm${round}`);
    const before = rssMb();
    const idle = peer('idle', `127.0.0.1:${mcpPort}`, '40', VS);
    expect(await idle.next('40 sinks')).toEqual({ idle: 40 });
    await eventually('40 streams', async () => ((await page('mcpz')) as unknown[]).length === 41 || undefined);
    for (let round = 0; round < 10; round++) await change(`round${round}`);
    const clients = (await page('mcpz')) as { id: string; sent: { responses: number; bytes: number } }[];
    const idlers = clients.filter(({ id }) => id.startsWith('idle-'));
    expect(idlers.map(({ sent }) => sent.responses)).toEqual(Array.from({ length: 40 }, () => 1));
    // One response of 40 sinks is some 30 MB if each had its own, ten would be 300 MB; what a heap grows by under work is less than 200.
    expect(rssMb() - before).toBeLessThan(200);
  });

  it('lets in over TLS whom the list of SPIFFE IDs names', async () => {
    const keys = await folder();
    const id = (account: string) => `spiffe://cluster.local/ns/istio-system/sa/${account}`;
    await certificates(keys.folder, {
      galley: id('istio-galley'),
      pilot: id('istio-pilot'),
      other: 'spiffe://cluster.local/ns/shop/sa/cart',
    });
    const file = (name: string) => join(keys.folder, name);
    const files = await folder();
    await files.write('a.yaml', rule('a', 'one'));
    const tlsPort = await freePort();
    const tls = ['--mcp-tls-addr', `127.0.0.1:${tlsPort}`, '--mcp-cert-file', file('galley.pem'), '--mcp-key-file', file('galley.key')];
    const { page } = await galley(['--config-dir', files.folder, ...tls, '--mcp-ca-file', file('ca.pem')]);
    const ask = async (...own: readonly string[]) => {
      const sink = peer('sink', `127.0.0.1:${tlsPort}`, file('ca.pem'), ...own.map(file));
      sink.send({ sinkNode: { id: 'python' }, collection: VS });
      return await sink.next('an answer');
    };
    expect(await ask('pilot.pem', 'pilot.key')).toMatchObject({ resources: { 'shop/a': expect.any(String) } });
    expect(await page('mcpz')).toMatchObject([{ id: 'python', identity: id('istio-pilot') }]);
    expect(await ask('other.pem', 'other.key')).toMatchObject({
      end: 'UNAUTHENTICATED',
      details: 'spiffe://cluster.local/ns/shop/sa/cart is not among --mcp-allowed-ids',
    });
    expect(await ask()).toMatchObject({ end: 'UNAUTHENTICATED', details: 'a client certificate of the mesh is needed' });
  });

  it('lets in no more streams, and no more in a second, than the flags say', async () => {
    const files = await folder();
    const { mcpPort } = await galley(['--config-dir', files.folder, '--mcp-max-streams', '2']);
    const sinks = [0, 1, 2].map(() => peer('sink', `127.0.0.1:${mcpPort}`));
    for (const sink of sinks) sink.send({ collection: VS });
    const answers = await Promise.all(sinks.map((sink) => sink.next('an answer')));
    expect(answers.map(({ end }) => end ?? 'served').sort()).toEqual(['RESOURCE_EXHAUSTED', 'served', 'served']);
  });
});

describe('MCP in the other direction', () => {
  it('calls a sink in Python, which sees what a sink that calls sees', async () => {
    const files = await folder();
    await files.write('a.yaml', rule('a', 'one'));
    const sink = peer('sink-server');
    const { port } = await sink.next('its port');
    await galley(['--config-dir', files.folder, '--mcp-sink-addr', `127.0.0.1:${port}`]);
    expect(await sink.next('the stream')).toEqual({ connected: true });
    sink.send({ collection: VS, incremental: true });
    const first = await sink.next('the collection');
    expect(Object.keys(first.resources ?? {})).toEqual(['shop/a']);
    sink.send({ collection: VS, incremental: true, responseNonce: first.nonce });
    await files.remove('a.yaml');
    expect(await sink.next('the removal')).toMatchObject({ incremental: true, resources: {}, removed: ['shop/a'] });
  });

  it('takes the collections of a source in Python and refuses what is wrong', async () => {
    const source = peer('source-server');
    const { port } = await source.next('its port');
    const files = await folder();
    await files.write('local.yaml', rule('local', 'here'));
    const sources = `${files.folder},mcp://127.0.0.1:${port}`;
    const { page } = await galley(['--config-source', sources]);
    expect(await source.next('the stream')).toEqual({ connected: true });
    const asked = new Set<string>();
    await eventually('every collection', () => {
      for (const { collection } of source.received) if (collection !== undefined) asked.add(collection);
      // The sink says how many there will be.
      const expected = source.received.find(({ sinkNode }) => sinkNode !== undefined)?.sinkNode?.annotations?.['mcp.xebec.io/transactions'];
      return asked.size === Number(expected) ? true : undefined;
    });
    const object = (host: unknown) => ({ metadata: { name: 'shop/remote', version: '1' }, spec: { hosts: [host] } });
    const answerTo = (nonce: string) =>
      eventually(`an answer to ${nonce}`, () => source.received.find((one) => one.responseNonce === nonce));
    for (const collection of asked)
      if (collection !== VS) source.send({ collection, nonce: `empty-${collection}`, systemVersionInfo: '1' });
    source.send({ collection: VS, nonce: 'wrong', systemVersionInfo: '1', resources: [object(7)] });
    expect((await answerTo('wrong')).errorDetail).toMatchObject({
      code: 3,
      message: expect.stringContaining('VirtualService shop/remote: spec.hosts[0]'),
    });
    const route = { route: [{ destination: { host: 'there' } }] };
    const right = { metadata: { name: 'shop/remote', version: '2' }, spec: { hosts: ['there'], http: [route] } };
    source.send({ collection: VS, nonce: 'right', systemVersionInfo: '2', resources: [right] });
    expect((await answerTo('right')).errorDetail).toBeUndefined();
    await eventually('both sources', async () => {
      const { sources: all } = (await page('sourcez')) as { sources: { synced: boolean; objects: number }[] };
      return all.every(({ synced, objects }) => synced && objects === 1) || undefined;
    });
  });
});

describe('sources', () => {
  it('takes a commit as one change, and the source that is listed first before the others', async () => {
    const repository = await folder();
    await git(repository.folder, 'init', '-q', '-b', 'main');
    await repository.write('mesh/a.yaml', `${rule('a', 'git')}---\n${subsets('a', 'git')}`);
    await git(repository.folder, 'add', '-A');
    await git(repository.folder, 'commit', '-q', '-m', 'a');
    const files = await folder();
    await files.write('a.yaml', rule('a', 'files'));
    const { mcpPort, page, process } = await galley(['--config-source', `${files.folder},git://${repository.folder}?ref=main&path=mesh`]);
    const sink = peer('sink', `127.0.0.1:${mcpPort}`);
    for (const collection of [VS, DR]) sink.send({ collection, incremental: true });
    for (const _ of [VS, DR]) {
      const { collection, nonce, resources } = await sink.next('a collection');
      expect(Object.keys(resources ?? {})).toEqual(['shop/a']);
      sink.send({ collection, incremental: true, responseNonce: nonce });
    }
    const name = `Git ${repository.folder} at main`;
    const conflict = { key: 'networking.istio.io/VirtualService/shop/a', inForce: `directory ${files.folder}`, notInForce: [name] };
    expect(await page('sourcez')).toMatchObject({ sources: [{}, { name, commit: expect.any(String) }], conflicts: [conflict] });
    await repository.write('mesh/b.yaml', `${rule('b', 'git')}---\n${subsets('b', 'git')}`);
    await git(repository.folder, 'add', '-A');
    await git(repository.folder, 'commit', '-q', '-m', 'b');
    process.child.kill('SIGHUP');
    const changes = [await sink.next('one part of the commit'), await sink.next('the other')];
    expect(changes.map(({ resources }) => Object.keys(resources ?? {}))).toEqual([['shop/b'], ['shop/b']]);
    expect(new Set(changes.map(({ version }) => version)).size).toBe(1);
    for (const { collection, nonce } of changes) sink.send({ collection, incremental: true, responseNonce: nonce });
    await files.remove('a.yaml');
    expect(await sink.next("the other source's object")).toMatchObject({ collection: VS, resources: { 'shop/a': expect.any(String) } });
    expect(await page('sourcez')).toMatchObject({ conflicts: [] });
  });

  it('follows pilot and another galley by xDS', async () => {
    const files = await folder();
    await files.write('a.yaml', rule('a', 'one'));
    const [grpc, http] = [await freePort(), await freePort()];
    const addresses = ['--grpc-addr', `127.0.0.1:${grpc}`, '--http-addr', `127.0.0.1:${http}`];
    const pilot = startDaemon('pilot', ['--config-dir', files.folder, '--registries=', ...addresses]);
    onTestFinished(async () => void (await pilot.stop()));
    const ofPilot = await galley(['--config-source', `xds://127.0.0.1:${grpc}`]);
    const ofGalley = await galley(['--config-source', `xds://127.0.0.1:${ofPilot.mcpPort}`]);
    const sink = peer('sink', `127.0.0.1:${ofGalley.mcpPort}`);
    sink.send({ collection: VS, incremental: true });
    const first = await sink.next('the collection');
    expect(Object.keys(first.resources ?? {})).toEqual(['shop/a']);
    sink.send({ collection: VS, incremental: true, responseNonce: first.nonce });
    await files.write('b.yaml', rule('b', 'two'));
    expect(Object.keys((await sink.next('the change')).resources ?? {})).toEqual(['shop/b']);
  });
});
