import { readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../src/daemon-process.ts';
import { application, type Cable, type CommandResult, end, layCable, root, runInside, startInside, type User } from './namespaces.ts';

const PROXY = join(import.meta.dirname, '../../apps/proxy/bin/xebec-proxy.ts');
const SERVER = join(import.meta.dirname, 'caller-server.ts');
const proxyUser: User = { uid: 1337, gid: 1337 };
/** IP_TRANSPARENT wants CAP_NET_ADMIN: such a proxy is root in the proxy's group. */
const transparentProxyUser: User = { uid: 0, gid: 1337 };

let cable: Cable;
let directory: string;
let servers: ReturnType<typeof startInside>[] = [];
let proxy: ReturnType<typeof startInside> | undefined;

/** Two capture listeners that send everything on to where it was going, and log it. */
function bootstrap(mode: 'REDIRECT' | 'TPROXY', logFile: string): object {
  const type = (name: string) => `type.googleapis.com/envoy.extensions.${name}`;
  const log = (direction: string) => ({
    name: 'file',
    typed_config: {
      '@type': type('access_loggers.file.v3.FileAccessLog'),
      path: logFile,
      log_format: { text_format_source: { inline_string: `${direction} %DOWNSTREAM_LOCAL_ADDRESS%\n` } },
    },
  });
  const listener = (name: string, port: number, more: object) => ({
    name,
    address: { socket_address: { address: '0.0.0.0', port_value: port } },
    listener_filters: [{ name: 'original_dst', typed_config: { '@type': type('filters.listener.original_dst.v3.OriginalDst') } }],
    filter_chains: [
      {
        filters: [
          {
            name: 'tcp',
            typed_config: {
              '@type': type('filters.network.tcp_proxy.v3.TcpProxy'),
              stat_prefix: name,
              cluster: name,
              access_log: [log(name)],
            },
          },
        ],
      },
    ],
    ...more,
  });
  const cluster = (name: string, more: object) => ({
    name,
    type: 'ORIGINAL_DST',
    lb_policy: 'CLUSTER_PROVIDED',
    connect_timeout: '2s',
    ...more,
  });
  return {
    static_resources: {
      listeners: [listener('outbound', 15_001, {}), listener('inbound', 15_006, mode === 'TPROXY' ? { transparent: true } : {})],
      clusters: [
        cluster('outbound', {}),
        cluster('inbound', { upstream_bind_config: { source_address: { address: '127.0.0.6', port_value: 0 } } }),
      ],
    },
  };
}

const iptables = async (...args: string[]): Promise<CommandResult> => await runInside(cable.pod, root, [process.execPath, PROXY, ...args]);

async function apply(...args: string[]): Promise<void> {
  const done = await iptables('istio-iptables', ...args);
  expect(done, done.stderr).toMatchObject({ code: 0 });
}

async function startProxy(mode: 'REDIRECT' | 'TPROXY', user: User): Promise<void> {
  const file = join(directory, `${mode}.json`);
  await writeFile(file, JSON.stringify(bootstrap(mode, logFile())));
  const running = startInside(cable.pod, user, [process.execPath, PROXY, '-c', file, '--file-flush-interval-msec', '10', '-l', 'warning']);
  proxy = running;
  await eventually('the proxy to listen', async () => {
    if (running.exitCode !== null) throw new Error(running.text());
    const { stdout } = await runInside(cable.pod, root, ['ss', '-Hltn']);
    return stdout.includes(':15001') && stdout.includes(':15006') ? true : undefined;
  });
}

let round = 0;
const logFile = (): string => join(directory, `access-${round}.log`);

/** Lines of the access log once `wanted` is among them. */
async function logged(wanted: string): Promise<string[]> {
  return await eventually(`the log to say "${wanted}"`, () => {
    const lines = readFileSync(logFile(), 'utf8').trimEnd().split('\n');
    return lines.includes(wanted) ? lines : undefined;
  });
}

async function curl(namespace: string, user: User, url: string): Promise<string> {
  const done = await runInside(namespace, user, ['curl', '-sS', '--max-time', '5', url]);
  return done.code === 0 ? done.stdout.trim() : `curl: ${done.stderr.trim()}`;
}

beforeAll(async () => {
  cable = await layCable('xebec-capture');
  directory = await mkdtemp(join(tmpdir(), 'xebec-iptables-'));
  await chmod(directory, 0o777);
  servers = [
    startInside(cable.pod, application, [process.execPath, SERVER, 'application', '0.0.0.0', '8000', '8001']),
    startInside(cable.peer, root, [process.execPath, SERVER, 'peer', '0.0.0.0', '8080', '8081']),
  ];
  await eventually('the application', async () =>
    (await curl(cable.peer, root, `http://${cable.podAddress}:8000/`)) === 'application saw 10.99.0.1' ? true : undefined,
  );
  await eventually('the peer', async () =>
    (await curl(cable.pod, application, `http://${cable.peerAddress}:8080/`)) === 'peer saw 10.99.0.2' ? true : undefined,
  );
});

afterAll(async () => {
  for (const server of servers) await end(server);
  await cable?.remove();
  if (directory !== undefined) await rm(directory, { recursive: true, force: true });
});

beforeEach(async () => {
  round++;
  await writeFile(logFile(), '');
  await chmod(logFile(), 0o666);
});

afterEach(async () => {
  if (proxy !== undefined) await end(proxy);
  proxy = undefined;
  expect(await iptables('istio-clean-iptables')).toMatchObject({ code: 0 });
});

describe.each([
  ['REDIRECT', proxyUser],
  ['TPROXY', transparentProxyUser],
] as const)('%s', (mode, user) => {
  it('brings traffic of both directions to the proxy, and leaves out what flags exclude', async () => {
    await startProxy(mode, user);
    await apply('-m', mode, '-d', '8001', '-o', '8081', '-u', mode === 'REDIRECT' ? '1337' : '', '-g', '1337');
    // The proxy calls the application from 127.0.0.6, and nobody else does.
    expect(await curl(cable.peer, root, `http://${cable.podAddress}:8000/`)).toBe('application saw 127.0.0.6');
    await logged('inbound 10.99.0.2:8000');
    expect(await curl(cable.peer, root, `http://${cable.podAddress}:8001/`)).toBe('application saw 10.99.0.1');
    expect(await curl(cable.pod, application, `http://${cable.peerAddress}:8080/`)).toBe('peer saw 10.99.0.2');
    await logged('outbound 10.99.0.1:8080');
    expect(await curl(cable.pod, application, `http://${cable.peerAddress}:8081/`)).toBe('peer saw 10.99.0.2');
    // To itself an application speaks directly.
    expect(await curl(cable.pod, application, `http://${cable.podAddress}:8000/`)).toBe('application saw 10.99.0.2');
    expect(await curl(cable.pod, application, 'http://127.0.0.1:8000/')).toBe('application saw 127.0.0.1');
    const lines = readFileSync(logFile(), 'utf8').trimEnd().split('\n');
    expect(lines.sort()).toEqual(['inbound 10.99.0.2:8000', 'outbound 10.99.0.1:8080']);
  });
});

describe('outbound', () => {
  it.each([
    ['addresses that are not included', ['-i', '10.98.0.0/16']],
    ['addresses that are excluded', ['-x', '10.99.0.1/32']],
    ['groups that are excluded', ['--istio-outbound-owner-groups-exclude', '4242']],
    ['groups that are not included', ['--istio-outbound-owner-groups', '1000,1001']],
    ['an interface that is excluded', ['-c', 'eth0']],
  ])('passes %s by the proxy', async (_, flags) => {
    await apply(...flags);
    // Nothing listens on 15001: what is captured fails.
    expect(await curl(cable.pod, application, `http://${cable.peerAddress}:8080/`)).toBe('peer saw 10.99.0.2');
  });
  it('captures included ports beside included addresses', async () => {
    await apply('-i', '10.98.0.0/16', '-q', '8080');
    expect(await curl(cable.pod, application, `http://${cable.peerAddress}:8080/`)).toMatch(/^curl: /);
    expect(await curl(cable.pod, application, `http://${cable.peerAddress}:8081/`)).toBe('peer saw 10.99.0.2');
  });
});

describe('the command', () => {
  it('takes its rules away again and leaves those of others', async () => {
    const other = ['iptables', '-t', 'nat', '-A', 'OUTPUT', '-d', '192.0.2.9/32', '-j', 'RETURN'];
    expect(await runInside(cable.pod, root, other)).toMatchObject({ code: 0 });
    await apply('-m', 'TPROXY', '--redirect-dns', '--capture-all-dns', '--drop-invalid');
    const rules = async (): Promise<string> => (await runInside(cable.pod, root, ['iptables-save'])).stdout;
    expect(await rules()).toContain('ISTIO_TPROXY');
    expect((await runInside(cable.pod, root, ['ip', 'rule'])).stdout).toContain('fwmark 0x539');
    // Twice is as once.
    const before = (await rules()).replaceAll(/\[\d+:\d+\]|^#.*$/gm, '');
    await apply('-m', 'TPROXY', '--redirect-dns', '--capture-all-dns', '--drop-invalid');
    expect((await rules()).replaceAll(/\[\d+:\d+\]|^#.*$/gm, '')).toBe(before);
    expect(await iptables('istio-clean-iptables', '-m', 'TPROXY')).toMatchObject({ code: 0 });
    expect(await rules()).not.toMatch(/ISTIO|CONNMARK|0x53a/);
    expect((await runInside(cable.pod, root, ['ip', 'rule'])).stdout).not.toContain('fwmark');
    expect(await rules()).toContain('192.0.2.9');
    expect(
      await runInside(
        cable.pod,
        root,
        other.map((word) => (word === '-A' ? '-D' : word)),
      ),
    ).toMatchObject({ code: 0 });
  });
  it('finds out whether connections are redirected', async () => {
    await apply('--run-validation', '--probe-timeout', '3s');
    expect(await iptables('istio-clean-iptables')).toMatchObject({ code: 0 });
    const without = await iptables('istio-iptables', '--run-validation', '--skip-rule-apply', '--probe-timeout', '500ms');
    expect(without.code).toBe(126);
    expect(without.stderr).toContain('does not arrive at port 15001');
  });
  it('prints rules for a dry run and asks for root otherwise', async () => {
    const command = [process.execPath, PROXY, 'istio-iptables'];
    const dry = await runInside(cable.pod, application, [...command, '--dry-run', '-m', 'TPROXY']);
    expect(dry).toMatchObject({ code: 0 });
    expect(dry.stdout).toContain('ip rule add fwmark 1337 lookup 133');
    const refused = await runInside(cable.pod, application, command);
    expect(refused).toMatchObject({ code: 1 });
    expect(refused.stderr).toContain('rules need root');
    expect(await iptables('istio-iptables', '--nonsense')).toMatchObject({ code: 64 });
  });
  it('enters a network namespace', async () => {
    const done = await runInside(cable.peer, root, [
      ...[process.execPath, PROXY, 'istio-iptables', '--network-namespace', `/var/run/netns/${cable.pod}`],
    ]);
    expect(done, done.stderr).toMatchObject({ code: 0 });
    expect((await runInside(cable.pod, root, ['iptables-save'])).stdout).toContain('ISTIO_OUTPUT');
    expect((await runInside(cable.peer, root, ['iptables-save'])).stdout).not.toContain('ISTIO_OUTPUT');
  });
});
