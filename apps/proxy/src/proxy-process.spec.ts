import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';

let directory = '';
let running: ChildProcess | undefined;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'xebec-proxy-'));
});
afterEach(() => {
  running?.kill('SIGKILL');
  rmSync(directory, { recursive: true });
});

const program = join(import.meta.dirname, '..', 'bin', 'xebec-proxy.ts');

function run(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  running = child;
  let [out, err] = ['', ''];
  child.stdout.on('data', (bytes: Buffer) => {
    out += bytes.toString();
  });
  child.stderr.on('data', (bytes: Buffer) => {
    err += bytes.toString();
  });
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, out, err })));
}

async function until<T>(find: () => T | undefined | Promise<T | undefined>): Promise<T> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const found = await find();
    if (found !== undefined) return found;
    if (Date.now() > deadline) throw new Error('not within 20 s');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function bootstrap(): string {
  const path = join(directory, 'bootstrap.yaml');
  writeFileSync(
    path,
    `
admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}
static_resources:
  listeners:
  - name: main
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: test
          access_log:
          - name: file
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
              path: ${join(directory, 'access.log')}
              log_format: {text_format_source: {inline_string: "%REQ(:PATH)%\\n"}}
          http_filters:
          - name: router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
          route_config: {virtual_hosts: [{name: all, domains: ["*"], routes: [{match: {prefix: /}, direct_response: {status: 200}}]}]}
`,
  );
  return path;
}

it('validates: OK and 0, or the reason and 1', async () => {
  const path = bootstrap();
  expect(await run('--mode', 'validate', '-c', path)).toMatchObject({ code: 0, out: `configuration '${path}' OK\n`, err: '' });
  const broken = await run('--mode', 'validate', '--config-yaml', 'static_resources: {listeners: [{name: a}]}');
  expect(broken).toMatchObject({ code: 1, out: '' });
  expect(broken.err.trim().split('\n')).toHaveLength(1);
  expect(await run('--nonsense')).toMatchObject({ code: 1 });
  expect(await run('--drain-strategy', 'never')).toMatchObject({ code: 1 });
  expect(await run()).toMatchObject({ code: 1 });
});

it('takes every flag of Envoy', async () => {
  const flags =
    '--base-id 1 --use-dynamic-base-id --skip-hot-restart-on-no-parent --skip-hot-restart-parent-stats --concurrency 1 --allow-unknown-fields --allow-unknown-static-fields --reject-unknown-dynamic-fields --ignore-unknown-dynamic-fields --skip-deprecated-logs --log-stacktrace-single-entry --local-address-ip-version v6 -l warning --component-log-level upstream:debug,config:trace --log-format %v --log-format-escaped --enable-fine-grain-logging --restart-epoch 0 --service-cluster c --service-node n --service-zone z --file-flush-interval-msec 10 --file-flush-min-size-kb 1 --drain-time-s 1 --drain-strategy immediate --parent-shutdown-time-s 2 --disable-hot-restart --enable-mutex-tracing --cpuset-threads --disable-extensions envoy.filters.http.lua --socket-path @a --socket-mode 600 --enable-core-dump --stats-tag a:b --stats-tag c:d';
  expect(await run(...flags.split(' '), '--mode', 'validate', '-c', bootstrap())).toMatchObject({ code: 0 });
});

it('serves until SIGTERM, ignores SIGHUP, opens logs again on SIGUSR1', async () => {
  const addressPath = join(directory, 'admin');
  const log = join(directory, 'access.log');
  const ended = run(
    '-c',
    bootstrap(),
    '--concurrency',
    '2',
    '--admin-address-path',
    addressPath,
    '--file-flush-interval-msec',
    '10',
    '-l',
    'error',
  );
  const admin = await until(() => (existsSync(addressPath) ? readFileSync(addressPath, 'utf8') : undefined));
  const listeners = await (await fetch(`http://${admin}/listeners`)).text();
  const main = /^main::(.*)$/m.exec(listeners)?.[1] ?? '';
  expect((await fetch(`http://${main}/before`)).status).toBe(200);
  await until(() => (existsSync(log) && readFileSync(log, 'utf8') === '/before\n' ? true : undefined));
  renameSync(log, `${log}.1`);
  running?.kill('SIGHUP');
  running?.kill('SIGUSR1');
  await until(() => (existsSync(log) ? true : undefined));
  await until(async () => {
    await fetch(`http://${main}/after`);
    return existsSync(log) && readFileSync(log, 'utf8').includes('/after') ? true : undefined;
  });
  expect(await (await fetch(`http://${admin}/stats?filter=server.concurrency`)).text()).toBe('server.concurrency: 2\n');
  running?.kill('SIGTERM');
  expect(await ended).toMatchObject({ code: 0, err: '' });
});
