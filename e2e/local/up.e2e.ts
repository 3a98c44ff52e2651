import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startUp, type UpProcess } from '../src/up-process.ts';
import { eventually, machineState, processesOf } from './machine.ts';

const root = resolve(import.meta.dirname, '../..');
const node = join(root, 'node_modules/.bin/node');
const cli = join(root, 'apps/cli/bin/xebec.ts');
const PAGE = 'http://127.0.0.1:8080/productpage';
const DEMO = ['--demo', '--samples', join(root, 'samples')];

let folder: string;
let up: UpProcess;
const before = machineState();

/** `xebec …` to its end. */
function xebec(cwd: string, ...args: string[]): { code: number | null; stdout: string; stderr: string } {
  const done = spawnSync(node, [cli, ...args], { cwd, encoding: 'utf8', timeout: 30_000 });
  return { code: done.status, stdout: done.stdout, stderr: done.stderr };
}
function env(): NodeJS.ProcessEnv {
  return { ...process.env, KUBECONFIG: join(folder, '.xebec/kubeconfig') };
}
function kubectl(...args: string[]): string {
  return execFileSync('kubectl', args, { env: env(), encoding: 'utf8', timeout: 40_000, stdio: ['ignore', 'pipe', 'pipe'] });
}
async function status(url: string): Promise<number | undefined> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(5000) });
    await response.arrayBuffer();
    return response.status;
  } catch {
    return undefined;
  }
}

/** Runs a command that goes on by itself until `found` sees what it wants in the output. */
async function following<T>(args: string[], found: (output: string) => T | undefined | Promise<T | undefined>): Promise<T> {
  const child = spawn('kubectl', args, { env: env(), stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')));
  try {
    return await eventually(`kubectl ${args.join(' ')}`, 15_000, () => found(output));
  } catch (error) {
    throw new Error(`${String(error)}; it printed: ${output}`);
  } finally {
    child.kill();
  }
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'xu-'));
  up = await startUp(folder, DEMO);
  kubectl('create', 'namespace', 'plain');
}, 120_000);
afterAll(async () => {
  await up?.stop();
  xebec(folder, 'down');
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

describe('what `up` refuses', () => {
  it.each([
    ['the same folder', () => folder, [], /already up here \(process \d+, state in .*\); stop it with "xebec down/],
    ['another folder', () => mkdtempSync(join(tmpdir(), 'xu2-')), [], /already runs on this machine|--gateway-port/],
    [
      'another folder with ports of its own',
      () => mkdtempSync(join(tmpdir(), 'xu2-')),
      ['--gateway-port', '18080', '--gateway-https-port', '18443', '--gateway-tcp-port', '18400'],
      /already runs on this machine \(process \d+, state in .*\); stop it with "xebec down/,
    ],
  ])('a second one from %s, and the first is unharmed', async (_name, where, args, message) => {
    const cwd = where();
    const second = xebec(cwd, 'up', ...args);
    expect(second.stderr.trim().split('\n')).toHaveLength(1);
    expect(second.stderr).toMatch(message);
    expect(second.code).toBe(1);
    expect(await status(PAGE)).toBe(200);
    if (cwd === folder) return;
    expect(readdirSync(cwd)).toEqual([]);
    rmSync(cwd, { recursive: true });
  });

  it.each(['--gateway-port', '--gateway-https-port', '--gateway-tcp-port'])('a port in use, naming %s', async (flag) => {
    const server = createServer();
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const cwd = mkdtempSync(join(tmpdir(), 'xu2-'));
    const others = ['--gateway-port', '18080', '--gateway-https-port', '18443', '--gateway-tcp-port', '18400'];
    const done = xebec(cwd, 'up', '--capture', 'loopback', ...others, flag, String(port));
    await new Promise((closed) => server.close(closed));
    expect(done.stderr).toContain(`port ${port} on 127.0.0.1`);
    expect(done.stderr).toContain(flag);
    expect(done.code).toBe(1);
    rmSync(cwd, { recursive: true });
  });

  it.each([
    ['read-only', 'ro', /cannot write the state directory .*; choose another with --dir/],
    ['full', 'size=4m', /the disk that holds .* is full \(\d+ MB left, 64 needed\); free some space, or use --dir on another disk/],
  ])('a %s state directory, leaving nothing', (_name, option, message) => {
    const mount = mkdtempSync(join(tmpdir(), 'xu3-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', option, 'tmpfs', mount]);
    try {
      const done = xebec(mount, 'up', '--capture', 'loopback', '--dir', join(mount, 'state'));
      expect(done.stderr).toMatch(message);
      expect(done.stderr.trim().split('\n')).toHaveLength(1);
      expect(done.code).toBe(1);
      expect(readdirSync(mount)).toEqual([]);
    } finally {
      execFileSync('umount', [mount]);
      rmSync(mount, { recursive: true });
    }
  });
});

describe('kubectl at work', () => {
  it('forwards ports of the application and of the proxy', async () => {
    const pod = kubectl('get', 'pods', '-l', 'app=details', '-o', 'name').trim();
    const body = await following(['port-forward', pod, ':9080', ':15000'], async (output) => {
      const ports = [...output.matchAll(/Forwarding from 127\.0\.0\.1:(\d+) -> (\d+)/g)];
      if (ports.length < 2) return undefined;
      const at = (port: string) => ports.find((match) => match[2] === port)?.[1];
      const details: unknown = await (await fetch(`http://127.0.0.1:${at('9080')}/details/0`)).json();
      const info: unknown = await (await fetch(`http://127.0.0.1:${at('15000')}/server_info`)).json();
      return { details, info };
    });
    expect(body.details).toMatchObject({ id: 0, author: 'William Shakespeare' });
    expect(body.info).toMatchObject({ state: 'LIVE' });
  });

  it('follows logs', async () => {
    const script = 'i=0; while sleep 0.1; do i=$((i + 1)); echo "line $i"; done';
    kubectl('-n', 'plain', 'run', 'ticker', '--image=docker.io/curlimages/curl:8.16.0', '--command', '--', 'sh', '-c', script);
    kubectl('-n', 'plain', 'wait', '--for=condition=Ready', 'pod/ticker', '--timeout=20s');
    const lines = await following(['-n', 'plain', 'logs', '-f', 'ticker', '--tail=1'], (output) => {
      const seen = [...output.matchAll(/^line (\d+)$/gm)].map((match) => Number(match[1]));
      return seen.length > 4 ? seen : undefined;
    });
    expect(lines).toEqual(lines.map((_line, index) => (lines[0] ?? 0) + index));
    kubectl('-n', 'plain', 'delete', 'pod', 'ticker', '--grace-period=1');
  });

  it('scales, and endpoints follow', async () => {
    const addresses = () =>
      kubectl('get', 'endpointslices', '-l', 'kubernetes.io/service-name=reviews', '-o', 'jsonpath={.items[*].endpoints[*].addresses[0]}')
        .trim()
        .split(/\s+/);
    expect(addresses()).toHaveLength(3);
    kubectl('scale', 'deploy', 'reviews-v1', '--replicas=2');
    expect(kubectl('rollout', 'status', 'deploy/reviews-v1', '--timeout=30s')).toContain('successfully rolled out');
    await eventually('four endpoints', 5000, () => (addresses().length === 4 ? true : undefined));
    kubectl('scale', 'deploy', 'reviews-v1', '--replicas=1');
    await eventually('three endpoints', 10_000, () => (addresses().length === 3 ? true : undefined));
  });

  it('replaces a deleted pod', async () => {
    const names = () => kubectl('get', 'pods', '-l', 'app=ratings', '-o', 'name').trim().split('\n');
    const [old] = names();
    kubectl('delete', old ?? '');
    kubectl('wait', '--for=condition=Ready', 'pod', '-l', 'app=ratings', '--timeout=30s');
    expect(names()).toHaveLength(1);
    expect(names()).not.toContain(old);
  });

  it('completes a Job', () => {
    kubectl('-n', 'plain', 'create', 'job', 'hello', '--image=docker.io/curlimages/curl:8.16.0', '--', 'echo', 'hello');
    kubectl('-n', 'plain', 'wait', '--for=condition=Complete', 'job/hello', '--timeout=20s');
    expect(kubectl('-n', 'plain', 'logs', 'job/hello')).toBe('hello\n');
  });

  it('says what to do about an unknown image, counts that event, and goes on when the image is corrected', async () => {
    kubectl('create', 'deployment', 'nope', '--image=example.com/nope:1');
    const pods = () => kubectl('get', 'pods', '-l', 'app=nope', '--no-headers');
    await eventually('ErrImagePull', 10_000, () => (/ErrImagePull|ImagePullBackOff/.test(pods()) ? true : undefined));
    const event = await eventually('a counted event', 10_000, () => {
      const text = kubectl(
        'get',
        'events',
        '--field-selector=type=Warning,reason=Failed',
        '-o',
        'jsonpath={range .items[*]}{.count} {.message}{"\\n"}{end}',
      );
      return /^[2-9] .*example\.com\/nope.*$/m.exec(text)?.[0];
    });
    expect(event).toContain(`XEBEC_IMAGE='example.com/nope=COMMAND ARG…'`);
    expect(existsSync(join(root, /see (docs\S+\.md)/.exec(event)?.[1] ?? 'missing'))).toBe(true);
    kubectl('set', 'image', 'deploy/nope', 'nope=docker.io/curlimages/curl:8.16.0');
    expect(kubectl('rollout', 'status', 'deploy/nope', '--timeout=30s')).toContain('successfully rolled out');
    kubectl('delete', 'deployment', 'nope');
  }, 60_000);
});

describe('ends', () => {
  it('survives kill -9 of every process: all that was stored is there, and traffic resumes', async () => {
    kubectl('create', 'configmap', 'kept', '--from-literal=answer=42');
    const all = processesOf(folder).filter(({ pid }) => pid !== up.process.pid);
    expect(all.length).toBeGreaterThan(20);
    up.process.kill('SIGKILL');
    for (const { pid } of all) killHard(pid);
    await eventually('everything is dead', 10_000, () => (processesOf(folder).length === 0 ? true : undefined));
    up = await startUp(folder, DEMO);
    expect(kubectl('get', 'configmap', 'kept', '-o', 'jsonpath={.data.answer}')).toBe('42');
    expect(kubectl('-n', 'plain', 'get', 'job', 'hello', '-o', 'jsonpath={.status.succeeded}')).toBe('1');
    expect(await status(PAGE)).toBe(200);
  }, 90_000);

  it('leaves nothing after Ctrl-C', async () => {
    expect(machineState().links).toContain('xebec0');
    expect(await up.stop()).toBe(0);
    expect(up.output()).toContain('nothing is left running');
    expect(processesOf(folder)).toEqual([]);
    expect(machineState()).toEqual(before);
    expect(existsSync(join(folder, '.xebec/up.json'))).toBe(false);
  }, 30_000);

  it('stops in the middle of its start when its output is closed, and leaves nothing', async () => {
    const child = spawn(node, [cli, 'up'], { cwd: folder, stdio: ['ignore', 'pipe', 'ignore'] });
    await new Promise((done) => child.stdout.once('data', done));
    await eventually('the first pods', 20_000, () =>
      processesOf(folder).some(({ command }) => command.includes('sleep infinity')) ? true : undefined,
    );
    child.stdout.destroy();
    const code = await new Promise((done) => child.once('exit', done));
    expect(code).toBe(0);
    expect(processesOf(folder)).toEqual([]);
    expect(machineState()).toEqual(before);
  }, 60_000);

  it('`down` cleans up after kill -9 of the supervisor and of both platform processes', async () => {
    up = await startUp(folder, []);
    const recorded: { supervisor: { pid: number }; children: Record<string, { pid: number }> } = JSON.parse(
      readFileSync(join(folder, '.xebec/up.json'), 'utf8'),
    );
    for (const { pid } of [recorded.supervisor, ...Object.values(recorded.children)]) killHard(pid);
    expect(processesOf(folder).length).toBeGreaterThan(4);
    const down = xebec(folder, 'down');
    expect(down.code).toBe(0);
    expect(down.stdout).toContain(`stopped what ran in ${join(folder, '.xebec')}`);
    expect(processesOf(folder)).toEqual([]);
    expect(machineState()).toEqual(before);
    expect(xebec(folder, 'down').stdout).toContain('nothing runs in');
  }, 90_000);

  it('falls back to loopback for a user without namespaces, and says why', async () => {
    const home = join(folder, 'home');
    mkdirSync(home, { mode: 0o777 });
    execFileSync('chmod', ['755', folder]);
    execFileSync('chown', ['65534', home]);
    const child = spawn('setpriv', ['--reuid=65534', '--regid=65534', '--clear-groups', node, cli, 'up', '--dir', join(home, 'state')], {
      cwd: home,
      env: { ...process.env, HOME: home },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')));
    const exited = new Promise((done) => child.once('exit', done));
    await Promise.race([eventually('ready', 60_000, () => (/^ready$/m.test(output) ? true : undefined)).catch(() => undefined), exited]);
    child.kill('SIGINT');
    await exited;
    expect(output).toMatch(/^ready$/m);
    expect(output).toContain('capture mode loopback, because network namespaces need root here');
    expect(processesOf(folder)).toEqual([]);
  }, 90_000);
});

function killHard(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended together with another.
  }
}
