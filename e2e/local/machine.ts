import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** What a mesh could leave on a machine: interfaces, mounts, packet filter rules. */
export function machineState(): { links: string[]; mounts: string; filter: string; nat: string } {
  const output = (command: string, ...args: string[]) => spawnSync(command, args, { encoding: 'utf8' }).stdout;
  const links = output('ip', '-o', 'link')
    .split('\n')
    .map((line) => line.split(': ')[1] ?? '')
    .filter((name) => name.startsWith('xebec') || name.startsWith('xv'));
  return {
    links,
    mounts: readFileSync('/proc/self/mounts', 'utf8'),
    filter: output('iptables', '-S'),
    nat: output('iptables', '-t', 'nat', '-S'),
  };
}

/** Processes that belong to the mesh of this folder, by command line or environment. */
export function processesOf(folder: string): { pid: number; command: string }[] {
  return readdirSync('/proc').flatMap((entry) => {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) return [];
    try {
      const command = readFileSync(`/proc/${entry}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      const mine = command.includes(folder) || readFileSync(`/proc/${entry}/environ`, 'utf8').includes(folder);
      return mine && command !== '' ? [{ pid: Number(entry), command }] : [];
    } catch {
      return [];
    }
  });
}

export async function eventually<T>(what: string, timeoutMs: number, probe: () => T | undefined | Promise<T | undefined>): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const value = await probe();
    if (value !== undefined) return value;
    if (performance.now() > deadline) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await new Promise((done) => setTimeout(done, 50));
  }
}
