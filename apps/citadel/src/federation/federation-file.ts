import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { checkBundleUrl, type TrustAuthority } from '@xebec/agent';
import { errorText, XebecError } from '@xebec/core';
import { parseBundle, parseSpiffeId, parseTrustDomain, unwrap } from '@xebec/identity';

const PROFILES = ['https_web', 'https_spiffe'];

/**
 * Reads `--federation FILE`: a JSON list of `{ trustDomain, url, profile }`, and for the profile `https_spiffe` also
 * `endpointSpiffeId` and `bundleFile` (the domain's bundle document of today, by which the first connection is judged).
 * Throws XebecError `E_FLAG` naming the entry and field.
 */
export async function readFederationFile(file: string, caPem: string | undefined): Promise<TrustAuthority[]> {
  const wrong = (what: string) => new XebecError('E_FLAG', `--federation ${file}: ${what}`);
  let list: unknown;
  try {
    list = JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    throw wrong(errorText(error));
  }
  if (!Array.isArray(list)) throw wrong('the file must hold a JSON list');
  const authorities: TrustAuthority[] = [];
  for (const [index, entry] of list.entries()) {
    const text = (name: string): string => {
      const value: unknown = typeof entry === 'object' && entry !== null ? Reflect.get(entry, name) : undefined;
      if (typeof value !== 'string' || value === '') throw wrong(`[${index}].${name} is missing`);
      return value;
    };
    try {
      const trustDomain = unwrap(parseTrustDomain(text('trustDomain')));
      const url = checkBundleUrl(text('url')).href;
      const profile = text('profile');
      if (!PROFILES.includes(profile)) throw wrong(`[${index}].profile wants one of ${PROFILES.join(', ')}, but got "${profile}"`);
      if (profile === 'https_web') {
        const web = { kind: 'https_web' as const, ...(caPem === undefined ? {} : { caPem }) };
        authorities.push({ trustDomains: [trustDomain], source: { kind: 'endpoint', url, profile: web } });
        continue;
      }
      const { id } = unwrap(parseSpiffeId(text('endpointSpiffeId')));
      const initial = unwrap(parseBundle(await readFile(join(dirname(file), text('bundleFile')), 'utf8')));
      const spiffe = { kind: 'https_spiffe' as const, spiffeId: id, initial };
      authorities.push({ trustDomains: [trustDomain], source: { kind: 'endpoint', url, profile: spiffe } });
    } catch (error) {
      if (error instanceof XebecError && error.code === 'E_FLAG') throw error;
      throw wrong(`[${index}]: ${errorText(error)}`);
    }
  }
  return authorities;
}
