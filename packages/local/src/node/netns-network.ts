import { spawn } from 'node:child_process';
import { mkdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { XebecError } from '@xebec/core';
import type { CapturePlan } from '@xebec/injection';
import { addressAt, type NetworkProvider, type PodNetwork, rejectRules, type ServiceView, servicePorts, serviceRules } from './network.ts';
import { isAlive, type ProcessId, run, signalProcess, startTimeOf } from './processes.ts';

export const BRIDGE = 'xebec0';
const PREFIX = '10.244';
export const BRIDGE_ADDRESS = `${PREFIX}.0.1`;
const SANDBOX_START_MS = 5000;
/** The kernel's limit of an interface's alias. */
const MAX_ALIAS_BYTES = 255;
const TABLES = [
  '*nat',
  ':XEBEC_SERVICES - [0:0]',
  '-A OUTPUT -j XEBEC_SERVICES',
  'COMMIT',
  '*filter',
  ':XEBEC_REJECT - [0:0]',
  '-A OUTPUT -j XEBEC_REJECT',
  'COMMIT',
  '',
].join('\n');

/**
 * Network namespaces on a bridge. A pod's namespaces (network, mounts) live as long as its sandbox process, so there is
 * nothing named to clean up: killing the sandbox removes the interface pair and every rule of the pod.
 */
export class NetnsNetwork implements NetworkProvider {
  readonly mode = 'netns';
  readonly hostIp = BRIDGE_ADDRESS;
  readonly #restore: string;
  readonly #owner: string;
  /** Rules last applied, by sandbox pid: a pod whose rules did not change is left alone. */
  readonly #applied = new Map<number, string>();

  /** `owner`: the node's state directory, by which others see whose the bridge is. */
  constructor(restoreCommand: string, owner: string) {
    this.#restore = restoreCommand;
    this.#owner = owner;
  }

  async setUp(): Promise<void> {
    if ((await run('ip', ['link', 'show', BRIDGE])).code !== 0) {
      await must('ip', ['link', 'add', BRIDGE, 'type', 'bridge']);
    }
    await must('ip', ['-batch', '-'], `addr replace ${BRIDGE_ADDRESS}/16 dev ${BRIDGE}\nlink set ${BRIDGE} up\n`);
    if (Buffer.byteLength(this.#owner) <= MAX_ALIAS_BYTES) await run('ip', ['link', 'set', BRIDGE, 'alias', this.#owner]);
  }

  async attach(
    _podKey: string,
    options: { readonly sidecar: boolean; readonly index: number; readonly directory: string; readonly namespace: string },
  ): Promise<PodNetwork> {
    const podIp = addressAt(PREFIX, options.index);
    const sandbox = await startSandbox(options.directory);
    const host = `xv${options.index.toString(16)}`;
    const { pid } = sandbox;
    const commands = [
      `link add ${host} mtu 1500 type veth peer name eth0 mtu 1500 netns ${pid}`,
      `link set ${host} master ${BRIDGE}`,
      `link set ${host} up`,
    ];
    // A pair left by an agent that was killed half-way holds the name.
    if ((await run('ip', ['-batch', '-'], `${commands.join('\n')}\n`)).code !== 0) {
      await run('ip', ['link', 'del', host]);
      await must('ip', ['-batch', '-'], `${commands.join('\n')}\n`);
    }
    const inside = ['link set lo up', `addr add ${podIp}/16 dev eth0`, 'link set eth0 up', `route add default via ${BRIDGE_ADDRESS}`];
    const resolv = join(options.directory, 'resolv.conf');
    mkdirSync(options.directory, { recursive: true });
    const search = [`${options.namespace}.svc.cluster.local`, 'svc.cluster.local', 'cluster.local'].join(' ');
    writeFileSync(resolv, `nameserver ${BRIDGE_ADDRESS}\nsearch ${search}\noptions ndots:5 timeout:2 attempts:3\n`, { mode: 0o644 });
    const enter = this.enter({ podIp, appIp: podIp, sandbox });
    await Promise.all([
      must('nsenter', ['-t', String(pid), '-n', 'ip', '-batch', '-'], `${inside.join('\n')}\n`),
      must('nsenter', ['-t', String(pid), '-m', 'mount', '--bind', resolv, '/etc/resolv.conf']),
      // A sidecar's capture rules must come first, so they bring this jump with them.
      options.sidecar ? undefined : must(enter[0] ?? '', [...enter.slice(1), this.#restore, '--noflush'], TABLES),
    ]);
    return { podIp, appIp: podIp, sandbox };
  }

  async applyCapture(network: PodNetwork, plan: CapturePlan): Promise<void> {
    const [command = '', ...rest] = this.enter(network);
    await must(command, [...rest, this.#restore, '--noflush'], plan.ipv4 + TABLES);
    if (plan.ipv6 !== '') await must(command, [...rest, this.#restore.replace(/^iptables/, 'ip6tables'), '--noflush'], plan.ipv6);
    if (plan.routes4.length > 0) await must(command, [...rest, 'ip', '-batch', '-'], `${plan.routes4.join('\n')}\n`);
    if (plan.routes6.length > 0) await must(command, [...rest, 'ip', '-6', '-batch', '-'], `${plan.routes6.join('\n')}\n`);
    // The chains were emptied: the next round fills them.
    if (network.sandbox !== undefined) this.#applied.delete(network.sandbox.pid);
  }

  isAttached(network: PodNetwork): boolean {
    return network.sandbox !== undefined && isAlive(network.sandbox);
  }

  async detach(network: PodNetwork): Promise<void> {
    if (network.sandbox === undefined) return;
    this.#applied.delete(network.sandbox.pid);
    // Whatever the pod started and lost still sits in its namespace.
    if (isAlive(network.sandbox)) await killNamespace(network.sandbox.pid);
    signalProcess(network.sandbox, 'SIGKILL');
  }

  enter(network: PodNetwork): readonly string[] {
    return network.sandbox === undefined ? [] : ['nsenter', '-t', String(network.sandbox.pid), '-n', '-m', '--'];
  }

  async updateServices(view: ServiceView, pods: readonly PodNetwork[]): Promise<void> {
    const ports = servicePorts(view);
    const text = serviceRules(ports) + rejectRules(ports);
    await Promise.all(
      pods.map(async (pod) => {
        const pid = pod.sandbox?.pid;
        if (pid === undefined || this.#applied.get(pid) === text || !this.isAttached(pod)) return;
        this.#applied.set(pid, text);
        const [command = '', ...rest] = this.enter(pod);
        const done = await run(command, [...rest, this.#restore, '--noflush'], text);
        if (done.code !== 0) this.#applied.delete(pid);
      }),
    );
  }

  async tearDown(): Promise<void> {
    await run('ip', ['link', 'del', BRIDGE]);
  }
}

async function must(command: string, args: readonly string[], input?: string): Promise<void> {
  const done = await run(command, args, input);
  if (done.code !== 0) {
    throw new XebecError(
      'E_NETWORK',
      `${command} ${args.join(' ')} failed: ${done.stderr.trim().slice(0, 500) || `exit code ${done.code}`}`,
    );
  }
}

async function startSandbox(directory: string): Promise<ProcessId> {
  const child = spawn('unshare', ['--net', '--mount', '--propagation', 'private', 'sleep', 'infinity'], {
    detached: true,
    stdio: 'ignore',
    // Marks it as the pod's: what was started and not yet recorded is found by this.
    env: { PATH: process.env['PATH'], XEBEC_ROOT: directory },
  });
  const failed = new Promise<never>((_resolve, reject) => {
    child.once('error', (error) => reject(new XebecError('E_NETWORK', 'cannot start unshare for a pod sandbox', { cause: error })));
    child.once('exit', (code) => reject(new XebecError('E_NETWORK', `unshare --net --mount ended with code ${code}`)));
  });
  failed.catch(() => undefined);
  child.unref();
  const { pid } = child;
  if (pid === undefined) return failed;
  const own = readlinkSync('/proc/self/ns/mnt');
  const ready = (async () => {
    const deadline = Date.now() + SANDBOX_START_MS;
    for (;;) {
      // After both unshares and exec the process is `sleep`; before that its namespaces are still ours.
      try {
        if (readlinkSync(`/proc/${pid}/ns/mnt`) !== own && readlinkSync(`/proc/${pid}/exe`).includes('sleep')) break;
      } catch {
        // Between fork and exec the links may not be readable.
      }
      if (Date.now() > deadline)
        throw new XebecError('E_NETWORK', `pod sandbox ${pid} did not enter its namespaces within ${SANDBOX_START_MS} ms`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    return { pid, startTime: startTimeOf(pid) ?? '' };
  })();
  return Promise.race([ready, failed]);
}

async function killNamespace(sandboxPid: number): Promise<void> {
  const namespace = linkOf(`/proc/${sandboxPid}/ns/net`);
  if (namespace === undefined || namespace === linkOf('/proc/self/ns/net')) return;
  const { readdirSync } = await import('node:fs');
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry) || Number(entry) === sandboxPid || linkOf(`/proc/${entry}/ns/net`) !== namespace) continue;
    try {
      process.kill(Number(entry), 'SIGKILL');
    } catch {
      // It ended in the meantime.
    }
  }
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

/** The node state directory that owns this machine's bridge: undefined without a bridge, empty where nobody is recorded. */
export async function bridgeOwner(): Promise<string | undefined> {
  const shown = await run('ip', ['-j', 'link', 'show', BRIDGE]);
  if (shown.code !== 0) return undefined;
  return /"ifalias":"([^"]*)"/.exec(shown.stdout)?.[1] ?? '';
}

/** Finds out whether network namespaces really work here: makes one and loads a REDIRECT rule. */
export async function probeNetns(): Promise<{ readonly restore: string } | { readonly reason: string }> {
  if (process.platform !== 'linux') return { reason: `network namespaces need Linux, this is ${process.platform}` };
  if (process.getuid?.() !== 0) return { reason: 'network namespaces need root here' };
  const bridge = await run('ip', ['link', 'show', 'type', 'bridge']);
  if (bridge.code !== 0) return { reason: `ip link does not work: ${bridge.stderr.trim()}` };
  const rules = '*nat\n:XEBEC_TRY - [0:0]\n-A XEBEC_TRY -p tcp -m owner --uid-owner 1337 -j REDIRECT --to-ports 15001\nCOMMIT\n';
  let reason = '';
  for (const restore of ['iptables-restore', 'iptables-nft-restore', 'iptables-legacy-restore']) {
    const done = await run('unshare', ['--net', '--mount', restore, '--noflush'], rules);
    if (done.code === 0) return { restore };
    reason ||= `${restore}: ${done.stderr.trim() || `exit code ${done.code}`}`;
  }
  return { reason: `a REDIRECT rule cannot be loaded: ${reason.replaceAll('\n', ' ')}` };
}
