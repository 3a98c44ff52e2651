import { createHash } from 'node:crypto';
import { createSecureContext, getCACertificates, type SecureContext, type SecureContextOptions } from 'node:tls';

/** How many different contexts are remembered; their number is that of certificates and policies, not that of clusters. */
const MAX_REMEMBERED = 1024;

const remembered = new Map<string, WeakRef<SecureContext>>();

/**
 * A client's context, one for equal inputs: hundreds of clusters share one identity, and a context with the system's roots takes 50 ms
 * and 6 MB to make. Held only as long as somebody uses it, so no key stays behind. Throws what OpenSSL says.
 */
export function clientContext(options: SecureContextOptions): SecureContext {
  const key = keyOf(options);
  const known = remembered.get(key)?.deref();
  if (known !== undefined) return known;
  const made = createSecureContext(options);
  if (remembered.size >= MAX_REMEMBERED) {
    for (const [each, context] of remembered) if (context.deref() === undefined) remembered.delete(each);
    const [oldest] = remembered.keys();
    if (remembered.size >= MAX_REMEMBERED && oldest !== undefined) remembered.delete(oldest);
  }
  remembered.set(key, new WeakRef(made));
  return made;
}

/** Of every input, each with its length before it, so that no two sets of inputs run together. */
function keyOf(options: SecureContextOptions): string {
  const hash = createHash('sha256');
  const add = (value: unknown): void => {
    if (Array.isArray(value)) {
      hash.update(`[${value.length}]`);
      for (const each of value) add(each);
    } else if (typeof value === 'object' && value !== null && !Buffer.isBuffer(value)) {
      for (const [name, each] of Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) {
        add(name);
        add(each);
      }
    } else {
      const bytes = Buffer.isBuffer(value) ? value : Buffer.from(String(value));
      hash.update(`${bytes.length}:`).update(bytes);
    }
  };
  add(options);
  return hash.digest('base64');
}

let system: Buffer | undefined;

/** The roots that this system trusts, PEM in one piece. Node reads them once too. */
export function systemRoots(): Buffer {
  system ??= Buffer.from(getCACertificates('system').join('\n'));
  return system;
}
