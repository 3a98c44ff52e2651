import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { create } from '@bufbuild/protobuf';
import { Client, credentials } from '@grpc/grpc-js';
import { type AttributeBag, type AttributeValue, encodeAttributes } from '@xebec/expressions';
import { CheckRequestSchema, type CheckResponse, Mixer } from '@xebec/protos/istio/mixer/v1/mixer';
import { methodDefinition } from '@xebec/rpc';
import { afterEach, describe, expect, it } from 'vitest';
import { startMixer, text } from '../mixer-telemetry/mixer.ts';
import { eventually, freePort, startProcess } from '../src/daemon-process.ts';
import { pythonWithGrpc } from './python-adapter.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../..');
const node = join(root, 'node_modules/.bin/node');
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** What the command writes, in a folder of the test's own. */
async function generate(language: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'xebec-generated-'));
  cleanups.push(() => rm(directory, { recursive: true, force: true }));
  const out = join(directory, 'mine');
  const templates = 'listentry,quota,metric';
  await run(node, [
    join(root, 'apps/cli/bin/xebec.ts'),
    'adapter',
    'new',
    'mine',
    '--template',
    templates,
    '--language',
    language,
    '--out',
    out,
  ]);
  return out;
}

/** Starts the new adapter, and a Mixer with the objects that came with it. */
async function serve(out: string, command: string, server: string) {
  const port = await freePort();
  const adapter = startProcess(command, [join(out, server), `127.0.0.1:${port}`], { env: {} });
  cleanups.push(() => adapter.stop('SIGKILL'));
  await eventually('the adapter listens', () => (adapter.output().includes('"listening"') ? true : undefined), 60_000);
  const objects = (await readFile(join(out, 'mixer.yaml'), 'utf8')).replace('mine.istio-system:9070', `127.0.0.1:${port}`);
  const mixer = await startMixer(objects);
  cleanups.push(() => mixer.stop());
  const client = new Client(`127.0.0.1:${mixer.grpc}`, credentials.createInsecure());
  cleanups.push(() => client.close());
  return { adapter, mixer, check: (version: string) => check(client, version) };
}

function check(client: Client, version: string): Promise<CheckResponse> {
  const { path, requestSerialize, responseDeserialize } = methodDefinition(Mixer.method.check);
  const labels: AttributeValue = { form: 'stringMap', value: new Map([['version', version]]) };
  const attributes: AttributeBag = new Map(Object.entries({ 'context.protocol': text('http'), 'source.labels': labels }));
  const quotas = { 'mine-quota': { amount: 40n, bestEffort: true } };
  const request = create(CheckRequestSchema, { attributes: encodeAttributes(attributes), quotas });
  return new Promise((resolve, reject) =>
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, (error, answer) =>
      // A client gets messages; only servers may send what was encoded before.
      error === null && answer !== undefined ? resolve(answer as CheckResponse) : reject(error ?? new Error('no answer')),
    ),
  );
}

describe.each(['typescript', 'python'])('a new adapter in %s', (language) => {
  it('passes its own tests, and Mixer asks it', async () => {
    const out = await generate(language);
    const python = language === 'python' ? await pythonWithGrpc() : '';
    if (language === 'typescript') await symlink(join(root, 'node_modules'), join(out, 'node_modules'));
    const [command, server] = language === 'python' ? [python, 'server.py'] : [node, 'server.ts'];
    if (language === 'python') await run(python, [join(out, 'test_adapter.py')], { cwd: out });
    else await run(node, ['--test'], { cwd: out, env: { PATH: process.env['PATH'] } });
    const { adapter, mixer, check } = await serve(out, command, server);
    expect((await check('blocked')).precondition?.status).toMatchObject({ code: 7, message: 'mine.istio-system:blocked by the adapter' });
    const passed = await check('v1');
    expect(passed.precondition?.status?.code).toBe(0);
    expect(passed.quotas['mine-quota']?.grantedAmount).toBe(10n);
    await mixer.report([new Map([['context.protocol', text('http')]])]);
    await eventually('the metric', () => (adapter.output().includes('mine-metric.instance.istio-system') ? true : undefined), 30_000);
  }, 300_000);
});
