import { createPrivateKey, randomUUID } from 'node:crypto';
import { link, mkdir, readdir, readFile, rm, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorText, XebecError } from '@xebec/core';
import { generateKeys, localSigner } from '@xebec/identity';
import type { KeyManager } from './key-manager.ts';
import { checkKeyName } from './memory-key-manager.ts';
import type { Seal } from './seal.ts';

const SUFFIX = '.key';
const codeOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : undefined);

/** One sealed file for each key. A key appears by one link, so that of two processes one makes it and the other is told. */
export function createFileKeyManager(directory: string, seal: Seal): KeyManager {
  const fileOf = (name: string): string => join(directory, `${name}${SUFFIX}`);
  return {
    description: `directory ${directory}`,
    async generate(name, type) {
      checkKeyName(name);
      const { privateKey } = await generateKeys(type);
      const bytes = await seal.close(privateKey.export({ format: 'der', type: 'pkcs8' }), purposeOf(name));
      await mkdir(directory, { recursive: true, mode: 0o700 });
      const staging = join(directory, `.${randomUUID()}`);
      try {
        await writeFile(staging, bytes, { mode: 0o600, flush: true });
        await link(staging, fileOf(name));
      } catch (error) {
        if (codeOf(error) === 'EEXIST') throw new XebecError('E_KEY_EXISTS', `there is a key ${name} already`);
        throw new XebecError('E_KEY_STORE', `the key ${name} cannot be written into ${directory}: ${errorText(error)}`);
      } finally {
        await rm(staging, { force: true });
      }
      return localSigner(privateKey);
    },
    async load(name) {
      checkKeyName(name);
      let bytes: Buffer;
      try {
        bytes = await readFile(fileOf(name));
      } catch (error) {
        if (codeOf(error) === 'ENOENT') return undefined;
        throw new XebecError('E_KEY_STORE', `the key ${name} cannot be read from ${directory}: ${errorText(error)}`);
      }
      const der = Buffer.from(await seal.open(bytes, purposeOf(name)));
      return localSigner(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }));
    },
    async list() {
      const files = await readdir(directory).catch((error: unknown) => {
        if (codeOf(error) === 'ENOENT') return [];
        throw new XebecError('E_KEY_STORE', `the keys in ${directory} cannot be listed: ${errorText(error)}`);
      });
      return files
        .filter((file) => file.endsWith(SUFFIX) && !file.startsWith('.'))
        .map((file) => file.slice(0, -SUFFIX.length))
        .sort();
    },
    async remove(name) {
      checkKeyName(name);
      await unlink(fileOf(name)).catch((error: unknown) => {
        if (codeOf(error) !== 'ENOENT') throw new XebecError('E_KEY_STORE', `the key ${name} cannot be removed: ${errorText(error)}`);
      });
    },
    close: async () => undefined,
  };
}

/** A file that was renamed is another key's. */
function purposeOf(name: string): string {
  return `key ${name}`;
}
