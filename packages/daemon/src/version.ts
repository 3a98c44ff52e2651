import { readFileSync } from 'node:fs';

/** Exit codes as sysexits has them, which istioctl follows. */
export const EXIT_FAILURE = 1;
export const EXIT_USAGE = 64;

/** The version in the root package.json: one version for all of Xebec. */
export function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'));
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest ? String(manifest.version) : 'unknown';
}
