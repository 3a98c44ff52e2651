import { readFile } from 'node:fs/promises';
import { errorText, XebecError } from '@xebec/core';
import { encodePem } from '@xebec/identity';
import type { AuthorityPem, AuthorityStore } from '../authority-store.ts';
import type { KeptText } from '../jwt-svid/kept-text.ts';
import { createSeal, isSealed, type Seal } from './seal.ts';

const LABEL = 'XEBEC SEALED PRIVATE KEY';
const HEADER = `-----BEGIN ${LABEL}-----`;
const KEY = 'private key of the CA';
const STATE = 'state of the CA';
const SEALED_TEXT = 'sealed:';

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

/** As `createSealedStore`, for one text. */
export function createSealedText(kept: KeptText, seal: Seal): KeptText {
  const purpose = kept.description;
  return {
    description: kept.description,
    async load() {
      const read = await kept.load();
      if (read === undefined || !read.text.startsWith(SEALED_TEXT)) return read;
      const bytes = await seal.open(Buffer.from(read.text.slice(SEALED_TEXT.length), 'base64'), purpose);
      return { ...read, text: Buffer.from(bytes).toString('utf8') };
    },
    async save(text, previous) {
      const bytes = await seal.close(Buffer.from(text), purpose);
      return kept.save(`${SEALED_TEXT}${Buffer.from(bytes).toString('base64')}`, previous);
    },
  };
}

/** Undefined where there is no passphrase file. Blanks and line ends around the passphrase do not count. */
export async function sealByFile(passphraseFile: string | undefined): Promise<Seal | undefined> {
  if (passphraseFile === undefined) return undefined;
  const text = await readFile(passphraseFile, 'utf8').catch((error: unknown) => {
    throw new XebecError('E_FLAG', `--ca-key-passphrase-file ${passphraseFile} cannot be read: ${errorText(error)}`);
  });
  return createSeal(text.trim());
}
