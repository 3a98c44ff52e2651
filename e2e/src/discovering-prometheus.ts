import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { madeOnce } from './made-once.ts';

const run = promisify(execFile);
const VERSION = 'v0.311.3';
const MODULE = 'github.com/prometheus/prometheus';

/** The path of a Prometheus that discovers what to scrape in Kubernetes, as its releases do and Debian's package does not. */
export async function discoveringPrometheus(): Promise<string> {
  const home = await madeOnce(`prometheus-${VERSION}`, async (folder) => {
    // A module of our own: its go.mod is not one that can be installed by name.
    await writeFile(join(folder, 'go.mod'), `module peer\n\ngo 1.26\n\ntool ${MODULE}/cmd/prometheus\n`);
    const go = (...args: string[]) => run('go', args, { cwd: folder, timeout: 900_000 });
    await go('get', `${MODULE}/cmd/prometheus@${VERSION}`);
    await go('build', '-tags', 'remove_all_sd,enable_kubernetes_sd', '-ldflags', '-s -w', '-o', 'prometheus', `${MODULE}/cmd/prometheus`);
  });
  return join(home, 'prometheus');
}
