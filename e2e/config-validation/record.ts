/** `node record.ts ENVOY` asks an Envoy what it says to each case and writes `envoy-verdicts.json`. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cases } from './cases.ts';

const envoy = process.argv[2];
if (envoy === undefined) throw new Error('give the path of an Envoy 1.40');
const dir = mkdtempSync(join(tmpdir(), 'xebec-verdicts-'));
try {
  const verdicts: Record<string, string | null> = {};
  for (const { name, yaml } of cases) {
    const file = join(dir, 'case.yaml');
    writeFileSync(file, yaml);
    const { status, stderr } = spawnSync(envoy, ['--mode', 'validate', '-c', file, '-l', 'error'], { encoding: 'utf8', timeout: 20_000 });
    const last = stderr.trim().split('\n').at(-1) ?? '';
    const text = last
      .replace(/^.*error initializing configuration '[^']*': /, '')
      .replace(/^: /, '')
      .slice(0, 300);
    verdicts[name] = status === 0 ? null : text;
  }
  writeFileSync(new URL('./envoy-verdicts.json', import.meta.url), `${JSON.stringify(verdicts, undefined, 1)}\n`);
} finally {
  rmSync(dir, { recursive: true, force: true });
}
