import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';

const guide = readFileSync(join(import.meta.dirname, '../../../docs/guides/proxy-in-envoys-place.md'), 'utf8');
const program = join(import.meta.dirname, '../bin/xebec-proxy.ts');
const deadlineMs = 30_000;

function block(language: string): string {
  const found = new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``).exec(guide)?.[1];
  if (found === undefined) throw new Error(`the guide has no ${language} block`);
  return found;
}

let directory: string;
let app: Server;
let proxy: ChildProcess;
let output = '';
let admin: string;

async function until<T>(what: string, find: () => T | undefined | Promise<T | undefined>): Promise<T> {
  const end = Date.now() + deadlineMs;
  while (Date.now() < end) {
    const found = await find();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`${what}: not within ${deadlineMs} ms: ${output}`);
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'xebec-guide-'));
  let calls = 0;
  // Every second call fails, which the guide's retry policy hides.
  app = createServer((_request, response) => response.writeHead(++calls % 2 === 1 ? 503 : 200).end('from the app'));
  await once(app.listen(0, '127.0.0.1'), 'listening');
  const address = app.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const yaml = block('yaml').replace('port_value: 9901', 'port_value: 0').replace('port_value: 10000', 'port_value: 0');
  writeFileSync(join(directory, 'edge.yaml'), yaml.replace('port_value: 8081', `port_value: ${port}`));
  const addressPath = join(directory, 'admin');
  const flags = ['-c', 'edge.yaml', '--concurrency', '1', '--admin-address-path', addressPath, '--file-flush-interval-msec', '10'];
  proxy = spawn(process.execPath, [program, ...flags, '-l', 'error'], { cwd: directory });
  const keep = (bytes: Buffer): void => {
    output += bytes.toString();
  };
  proxy.stdout?.on('data', keep);
  proxy.stderr?.on('data', keep);
  admin = await until('the admin address', () => (existsSync(addressPath) ? readFileSync(addressPath, 'utf8') || undefined : undefined));
  await until('ready', async () => (await (await fetch(`http://${admin}/ready`)).text()).startsWith('LIVE') || undefined);
}, deadlineMs);

afterAll(async () => {
  const ended = once(proxy, 'exit');
  proxy.kill('SIGTERM');
  await ended;
  app.close();
  rmSync(directory, { recursive: true });
});

it('validates with the words of the guide', async () => {
  const validation = spawn(process.execPath, [program, '--mode', 'validate', '-c', 'edge.yaml'], { cwd: directory });
  let said = '';
  validation.stdout.on('data', (bytes: Buffer) => {
    said += bytes.toString();
  });
  expect(await once(validation, 'close')).toEqual([0, null]);
  expect(said).toBe(block('text'));
});

it('answers, retries and logs', async () => {
  const listeners = await (await fetch(`http://${admin}/listeners`)).text();
  const edge = /^edge::(.*)$/m.exec(listeners)?.[1] ?? '';
  expect(await (await fetch(`http://${edge}/healthz`)).text()).toBe('well\n');
  expect(await (await fetch(`http://${edge}/x`)).text()).toBe('from the app');
  await until('two log lines', () => (output.includes('/healthz 200 -\n') && output.includes('/x 200 -\n') ? true : undefined));
});

it('answers every admin question of the guide', async () => {
  const paths = [...guide.matchAll(/curl '?127\.0\.0\.1:9901(\/[^'`]*)/g)].map((match) => match[1] ?? '');
  expect(paths.length).toBeGreaterThan(4);
  for (const path of paths) expect([path, (await fetch(`http://${admin}${path}`)).status]).toEqual([path, 200]);
  const drained = await fetch(`http://${admin}/drain_listeners?graceful`, { method: 'POST' });
  expect(await drained.text()).toBe('OK\n');
});
