import { XebecError } from '@xebec/core';
import { generateKeys, type LocalSigner, localSigner } from '@xebec/identity';
import { isKeyName, type KeyManager } from './key-manager.ts';

/** Keys that go with the process. */
export function createMemoryKeyManager(): KeyManager {
  const keys = new Map<string, LocalSigner>();
  return {
    description: 'memory',
    async generate(name, type) {
      checkKeyName(name);
      if (keys.has(name)) throw new XebecError('E_KEY_EXISTS', `there is a key ${name} already`);
      const signer = localSigner((await generateKeys(type)).privateKey);
      if (keys.has(name)) throw new XebecError('E_KEY_EXISTS', `there is a key ${name} already`);
      keys.set(name, signer);
      return signer;
    },
    load: async (name) => keys.get(name),
    list: async () => [...keys.keys()].sort(),
    async remove(name) {
      keys.delete(name);
    },
    async close() {
      keys.clear();
    },
  };
}

export function checkKeyName(name: string): void {
  if (!isKeyName(name))
    throw new XebecError('E_KEY_NAME', `${JSON.stringify(name.slice(0, 80))} cannot name a key: 1 to 63 of a-z, 0-9 and dash`);
}
