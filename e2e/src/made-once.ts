import { existsSync, mkdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** A folder of the user's cache in which a peer is made once. */
export async function madeOnce(name: string, make: (home: string) => Promise<unknown>): Promise<string> {
  const home = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'xebec-ci', name);
  if (!existsSync(join(home, 'ready'))) {
    mkdirSync(home, { recursive: true });
    await make(home);
    await writeFile(join(home, 'ready'), '');
  }
  return home;
}
