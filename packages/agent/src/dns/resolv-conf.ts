import { isIP } from 'node:net';

export interface ResolvConf {
  /** At most three, as resolvers use them. */
  readonly servers: readonly string[];
  readonly search: readonly string[];
}

/** Reads `resolv.conf(5)`: name servers and search domains; what it does not know it passes over. */
export function parseResolvConf(text: string): ResolvConf {
  const servers: string[] = [];
  let search: string[] = [];
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line
      .replace(/[#;].*$/, '')
      .trim()
      .split(/\s+/);
    const address = values[0]?.split('%')[0] ?? '';
    if (keyword === 'nameserver' && isIP(address) !== 0) servers.push(address);
    else if (keyword === 'search' || keyword === 'domain') search = values;
  }
  return { servers: servers.slice(0, 3), search };
}
