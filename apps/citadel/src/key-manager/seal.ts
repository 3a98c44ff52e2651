import { createCipheriv, createDecipheriv, randomBytes, scrypt } from 'node:crypto';
import { promisify } from 'node:util';
import { XebecError } from '@xebec/core';

/** Encrypts secrets that rest somewhere: AES-256-GCM with a key that scrypt makes of a passphrase (RFC 7914). */
export interface Seal {
  /** `purpose` is bound to the text: what was sealed for one cannot be opened as another. */
  close(bytes: Uint8Array, purpose: string): Promise<Uint8Array>;
  /** Rejects with `E_SEAL` where the passphrase is another or a byte was changed. */
  open(sealed: Uint8Array, purpose: string): Promise<Uint8Array>;
}

const MAGIC = Buffer.from('xebec sealed 1\n', 'latin1');
const SALT_BYTES = 16;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** 32 MB and about 0.1 s: a passphrase is guessed ten times a second and core. */
const COST = { N: 32_768, r: 8, p: 1, maxmem: 64 * 1024 * 1024 };
const MIN_PASSPHRASE = 12;

const derive = promisify<string, Uint8Array, number, typeof COST, Buffer>(scrypt);

export function isSealed(bytes: Uint8Array): boolean {
  return MAGIC.equals(bytes.subarray(0, MAGIC.length));
}

export function createSeal(passphrase: string): Seal {
  if (passphrase.length < MIN_PASSPHRASE)
    throw new XebecError('E_SEAL', `the passphrase has ${passphrase.length} characters; at least ${MIN_PASSPHRASE} are wanted`);
  /** Deriving is slow on purpose; a salt serves for as long as the process lives. */
  const keys = new Map<string, Promise<Buffer>>();
  const keyFor = (salt: Buffer): Promise<Buffer> => {
    const id = salt.toString('hex');
    const known = keys.get(id) ?? derive(passphrase, salt, 32, COST);
    if (keys.size < 64) keys.set(id, known);
    return known;
  };
  const ownSalt = randomBytes(SALT_BYTES);
  return {
    async close(bytes, purpose) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', await keyFor(ownSalt), nonce);
      cipher.setAAD(Buffer.concat([MAGIC, Buffer.from(purpose)]));
      const text = Buffer.concat([cipher.update(bytes), cipher.final()]);
      return Buffer.concat([MAGIC, ownSalt, nonce, cipher.getAuthTag(), text]);
    },
    async open(sealed, purpose) {
      const body = Buffer.from(sealed).subarray(MAGIC.length);
      if (!isSealed(sealed) || body.length < SALT_BYTES + NONCE_BYTES + TAG_BYTES)
        throw new XebecError('E_SEAL', `the ${purpose} is not sealed, or is cut off`);
      const nonceAt = SALT_BYTES;
      const tagAt = nonceAt + NONCE_BYTES;
      const textAt = tagAt + TAG_BYTES;
      const key = await keyFor(Buffer.from(body.subarray(0, nonceAt)));
      const decipher = createDecipheriv('aes-256-gcm', key, body.subarray(nonceAt, tagAt), { authTagLength: TAG_BYTES });
      decipher.setAAD(Buffer.concat([MAGIC, Buffer.from(purpose)]));
      decipher.setAuthTag(body.subarray(tagAt, textAt));
      try {
        return Buffer.concat([decipher.update(body.subarray(textAt)), decipher.final()]);
      } catch {
        throw new XebecError('E_SEAL', `the ${purpose} cannot be opened: the passphrase is another, or a byte was changed`);
      }
    },
  };
}
