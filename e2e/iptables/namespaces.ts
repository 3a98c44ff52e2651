import { type ChildProcess, execFile, spawn } from 'node:child_process';

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end; never rejects. */
export function run(
  program: string,
  args: readonly string[],
  user?: { readonly uid: number; readonly gid: number },
): Promise<CommandResult> {
  return new Promise((resolve) => {
    execFile(program, [...args], { timeout: 20_000, ...user }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      resolve({ code, stdout, stderr });
    });
  });
}

export async function must(program: string, args: readonly string[]): Promise<string> {
  const done = await run(program, args);
  if (done.code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${done.code}: ${done.stderr}${done.stdout}`);
  return done.stdout;
}

/** Two network namespaces with a cable between them: a pod, and somebody who calls it and is called. */
export interface Cable {
  readonly pod: string;
  readonly peer: string;
  readonly podAddress: string;
  readonly peerAddress: string;
  remove(): Promise<void>;
}

export async function layCable(name: string): Promise<Cable> {
  if (process.getuid?.() !== 0) {
    throw new Error('the iptables suite makes network namespaces and writes rules into them: run it as root');
  }
  const [pod, peer] = [`${name}-pod`, `${name}-peer`];
  const remove = async (): Promise<void> => {
    for (const namespace of [pod, peer]) await run('ip', ['netns', 'del', namespace]);
  };
  await remove();
  for (const namespace of [pod, peer]) {
    await must('ip', ['netns', 'add', namespace]);
    await must('ip', ['-n', namespace, 'link', 'set', 'lo', 'up']);
  }
  await must('ip', ['link', 'add', 'eth0', 'netns', pod, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', peer]);
  const [podAddress, peerAddress] = ['10.99.0.2', '10.99.0.1'];
  for (const [namespace, address] of [
    [pod, podAddress],
    [peer, peerAddress],
  ] as const) {
    await must('ip', ['-n', namespace, 'addr', 'add', `${address}/24`, 'dev', 'eth0']);
    await must('ip', ['-n', namespace, 'link', 'set', 'eth0', 'up']);
  }
  await must('ip', ['-n', pod, 'route', 'add', 'default', 'via', peerAddress]);
  return { pod, peer, podAddress, peerAddress, remove };
}

export interface User {
  readonly uid: number;
  readonly gid: number;
}

export const root: User = { uid: 0, gid: 0 };
/** An application's user: neither root nor the proxy's. */
export const application: User = { uid: 4242, gid: 4242 };

/** The command that runs `command` in a namespace as a user. */
export function inside(namespace: string, user: User, command: readonly string[]): string[] {
  const as = user.uid === 0 && user.gid === 0 ? [] : ['setpriv', `--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups'];
  return ['ip', 'netns', 'exec', namespace, ...as, ...command];
}

export async function runInside(namespace: string, user: User, command: readonly string[]): Promise<CommandResult> {
  const [program = '', ...args] = inside(namespace, user, command);
  return await run(program, args);
}

export function startInside(namespace: string, user: User, command: readonly string[]): ChildProcess & { text(): string } {
  const [program = '', ...args] = inside(namespace, user, command);
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (bytes: Buffer) => (text = (text + bytes.toString()).slice(-20_000)));
  return Object.assign(child, { text: () => text });
}

/** Ends a child and waits. */
export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  await new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.kill('SIGKILL');
  });
}
