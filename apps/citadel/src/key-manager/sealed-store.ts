import { readFile } from 'node:fs/promises';
import { errorText, XebecError } from '@xebec/core';
import { encodePem } from '@xebec/identity';
import type { AuthorityPem, AuthorityStore } from '../authority-store.ts';
import { createSeal, isSealed, type Seal } from './seal.ts';

const LABEL = 'XEBEC SEALED PRIVATE KEY';
const HEADER = `-----BEGIN ${LABEL}-----`;
const KEY = 'private key of the CA';
const STATE = 'state of the CA';

/**
 * A store whose private keys and state are encrypted where they rest. Clear ones are read, so that a CA that exists can be sealed, and
 * one that the user plugs in need not be: what Citadel itself writes is sealed.
 */
export function createSealedStore(store: AuthorityStore, seal: Seal): AuthorityStore {
  const closed = async (pem: AuthorityPem): Promise<AuthorityPem> => ({
    ...pem,
    privateKey: encodePem(LABEL, await seal.close(Buffer.from(pem.privateKey), KEY)),
  });
  const opened = async (pem: AuthorityPem | undefined): Promise<AuthorityPem | undefined> => {
    if (pem === undefined || !pem.privateKey.includes(HEADER)) return pem;
    const body = pem.privateKey.replaceAll(/-----[A-Z ]+-----|\s/g, '');
    return { ...pem, privateKey: Buffer.from(await seal.open(Buffer.from(body, 'base64'), KEY)).toString('utf8') };
  };
  return {
    ...store,
    load: async () => opened(await store.load()),
    pluggedIn: async () => opened(await store.pluggedIn()),
    async createIfAbsent(make) {
      const pem = await opened(await store.createIfAbsent(async () => closed(await make())));
      if (pem === undefined) throw new XebecError('E_CA_STORE', `${store.description} lost the CA that was just made`);
      return pem;
    },
    publish: async (pem) => store.publish(await closed(pem)),
    async loadState() {
      const state = await store.loadState();
      if (state === undefined || !isSealed(state.bytes)) return state;
      return { ...state, bytes: await seal.open(state.bytes, STATE) };
    },
    saveState: async (bytes, revision) => store.saveState(await seal.close(bytes, STATE), revision),
  };
}

/** The store itself where there is no passphrase file. Blanks and line ends around the passphrase do not count. */
export async function sealedByFile(store: AuthorityStore, passphraseFile: string | undefined): Promise<AuthorityStore> {
  if (passphraseFile === undefined) return store;
  const text = await readFile(passphraseFile, 'utf8').catch((error: unknown) => {
    throw new XebecError('E_FLAG', `--ca-key-passphrase-file ${passphraseFile} cannot be read: ${errorText(error)}`);
  });
  return createSealedStore(store, createSeal(text.trim()));
}
