import type { KeyType, Signer } from '@xebec/identity';

/**
 * Where the CA's private keys live and who signs with them. Keys have names that the caller chooses; a name once used stays with its key
 * until it is removed, so a crash between two steps is found out by `load`.
 *
 * Failures are XebecErrors: `E_KEY_EXISTS` for a name that is taken, `E_KEY_NAME` for one that cannot be a name, `E_KEY_STORE` where the
 * place of the keys does not answer or holds what is no key; retrying helps only with the last.
 */
export interface KeyManager {
  /** Shown in messages: `directory /var/lib/ca/keys`. */
  readonly description: string;
  /** Makes a key. When it resolves, the key survives a crash (but for managers in memory). */
  generate(name: string, type: KeyType): Promise<Signer>;
  /** The signer of that name, undefined when there is none. */
  load(name: string): Promise<Signer | undefined>;
  /** Names of all keys, sorted. */
  list(): Promise<readonly string[]>;
  /** Forgets a key for good; nothing happens where there is none. */
  remove(name: string): Promise<void>;
  /** Lets go of connections and secrets in memory. */
  close(): Promise<void>;
}

/** Names are parts of file names and URLs. */
export function isKeyName(name: string): boolean {
  return /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name);
}
