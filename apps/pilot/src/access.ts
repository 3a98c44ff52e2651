import type { Caller } from './authenticate.ts';

/** What somebody may read of the control plane's knowledge: all of it, what concerns proxies of one namespace, or nothing. */
export type Access =
  | { readonly kind: 'everything' }
  | { readonly kind: 'namespace'; readonly namespace: string }
  | { readonly kind: 'nothing' };

export interface Peer {
  /** Whom credentials prove; undefined where none were asked for or shown. */
  readonly caller: Caller | undefined;
  /** The peer is on this machine. */
  readonly local: boolean;
}

export interface AccessRules {
  readonly rootNamespace: string;
  /** `DEBUG_ENDPOINT_AUTH_ALLOWED_NAMESPACES`: namespaces that see as much as the root namespace. */
  readonly allowedNamespaces: ReadonlySet<string>;
}

/** Proven callers of the control plane's namespace, and this machine, read everything; others what is of their namespace. */
export function accessOf(peer: Peer, rules: AccessRules): Access {
  if (peer.caller === undefined) return { kind: peer.local ? 'everything' : 'nothing' };
  const { namespace } = peer.caller;
  const trusted = namespace === rules.rootNamespace || rules.allowedNamespaces.has(namespace);
  return trusted ? { kind: 'everything' } : { kind: 'namespace', namespace };
}

/** Whether an address as Node and gRPC write it (`127.0.0.1:4711`, `[::1]:4711`, `unix:…`) is on this machine. */
export function isLocalAddress(address: string): boolean {
  const bare = address.replace(/^\[?(.*?)\]?(:\d+)?$/, '$1').replace(/^::ffff:/, '');
  return address.startsWith('unix:') || address === '' || bare === '::1' || /^127\.\d+\.\d+\.\d+$/.test(bare) || address === '::1';
}
