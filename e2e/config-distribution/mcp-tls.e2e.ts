import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { eventually, freePort, type RunningProcess, startDaemon } from '../src/daemon-process.ts';
import { certificates, openFolder, rule, startGalley } from './galley-process.ts';

const id = (account: string) => `spiffe://cluster.local/ns/istio-system/sa/${account}`;

it('pilot and mixer take configuration over mutual TLS; who is not on the list gets none, and says why', async () => {
  const keys = await openFolder();
  onTestFinished(keys.close);
  await certificates(keys.folder, {
    galley: id('istio-galley'),
    pilot: id('istio-pilot'),
    mixer: id('istio-mixer'),
    stranger: 'spiffe://cluster.local/ns/shop/sa/cart',
  });
  const other = await openFolder();
  onTestFinished(other.close);
  await certificates(other.folder, { pilot: id('istio-pilot') });
  const file = (name: string) => join(keys.folder, name);
  const files = await openFolder();
  onTestFinished(files.close);
  await files.write('a.yaml', rule('a', 'one'));
  const address = `127.0.0.1:${await freePort()}`;
  const galley = await startGalley([
    ...['--config-dir', files.folder, '--mcp-tls-addr', address, '--mcp-ca-file', file('ca.pem')],
    ...['--mcp-cert-file', file('galley.pem'), '--mcp-key-file', file('galley.key')],
  ]);
  onTestFinished(galley.stop);

  const start = async (app: 'pilot' | 'mixer', account: string, more: readonly string[] = []) => {
    const http = await freePort();
    const own = ['--mcp-cert-file', file(`${account}.pem`), '--mcp-key-file', file(`${account}.key`), '--mcp-ca-file', file('ca.pem')];
    const ports = ['--http-addr', `127.0.0.1:${http}`, '--grpc-addr', `127.0.0.1:${await freePort()}`];
    const flags = app === 'pilot' ? ['--registries='] : ['--prometheus-addr', '127.0.0.1:0'];
    const server = more.includes('--mcp-server-id') ? [] : ['--mcp-server-id', id('istio-galley')];
    const process = startDaemon(app, ['--mcp-tls-addr', address, ...own, ...server, ...ports, ...flags, ...more]);
    onTestFinished(async () => void (await process.stop()));
    const isReady = async () => (await fetch(`http://127.0.0.1:${http}/readyz`)).ok;
    return { process, isReady };
  };
  const ready = (name: string, { isReady, process }: { isReady(): Promise<boolean>; process: RunningProcess }) =>
    eventually(`${name} to be ready`, async () => (await isReady()) || undefined, 30_000).catch((cause: unknown) => {
      throw new Error(`${name} is not ready; it printed:\n${process.output()}`, { cause });
    });
  const says = (process: RunningProcess, text: string) =>
    eventually(text, () => process.output().includes(text) || undefined, 30_000).catch((cause: unknown) => {
      throw new Error(`not said; it printed:\n${process.output()}`, { cause });
    });

  await ready('pilot', await start('pilot', 'pilot'));
  await ready('mixer', await start('mixer', 'mixer'));
  const identities = ((await galley.page('mcpz')) as { identity: string }[]).map(({ identity }) => identity);
  expect(identities.sort()).toEqual([id('istio-mixer'), id('istio-pilot')]);

  const stranger = await start('pilot', 'stranger');
  await says(stranger.process, 'spiffe://cluster.local/ns/shop/sa/cart is not among --mcp-allowed-ids');
  expect(await stranger.isReady()).toBe(false);
  // A file that is replaced is taken up: by the next connection it is somebody who may.
  await copyFile(file('pilot.key'), file('stranger.key'));
  await copyFile(file('pilot.pem'), file('stranger.pem'));

  const wrongServer = await start('pilot', 'pilot', ['--mcp-server-id', id('istio-citadel')]);
  await says(wrongServer.process, `but must be ${id('istio-citadel')}`);
  const wrongRoots = await start('pilot', 'pilot', ['--mcp-ca-file', join(other.folder, 'ca.pem')]);
  await says(wrongRoots.process, 'self-signed certificate');
  expect([await wrongServer.isReady(), await wrongRoots.isReady()]).toEqual([false, false]);

  // The stranger's connection stands, with the old certificate: a new one is made when galley is another.
  await galley.stop();
  const again = await startGalley([
    ...['--config-dir', files.folder, '--mcp-tls-addr', address, '--mcp-ca-file', file('ca.pem')],
    ...['--mcp-cert-file', file('galley.pem'), '--mcp-key-file', file('galley.key')],
  ]);
  onTestFinished(again.stop);
  await ready('the stranger with a good certificate', stranger);
}, 240_000);
