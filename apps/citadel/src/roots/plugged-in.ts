import { type Clock, errorText, type Logger, type Random } from '@xebec/core';
import type { AuthorityPem, AuthorityStore } from '../authority-store.ts';
import type { RootKeeper } from './root-keeper.ts';
import { readSigningRoot } from './signing-root.ts';

export interface PluggedInOptions {
  readonly store: AuthorityStore;
  readonly keeper: RootKeeper;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly periodMs?: number;
}

export interface PluggedIn {
  /** Why the CA that lies there is not used; empty when it is, or when there is none. */
  problem(): string;
  close(): Promise<void>;
}

const PERIOD_MS = 2000;

/**
 * Looks every two seconds at the CA that the user plugged in, and at what other replicas wrote. A change is taken up when it was the
 * same in two looks, so that files which are written one after the other are never mixed; what is not wholly right is left lying, said
 * once, and the old goes on.
 */
export function followPluggedIn(options: PluggedInOptions): PluggedIn {
  const { store, keeper, clock, random, logger } = options;
  const period = options.periodMs ?? PERIOD_MS;
  let problem = '';
  let before = '';
  let closed = false;
  let cancel: () => void = () => undefined;
  let running: Promise<void> = Promise.resolve();

  const say = (text: string, code: string) => {
    if (text !== problem && text !== '') logger.error({ code }, text);
    if (text === '' && problem !== '') logger.info({}, 'the plugged-in CA is in order again');
    problem = text;
  };
  const look = async () => {
    await keeper.refresh();
    const pem = await store.pluggedIn();
    if (pem === undefined) return say('', '');
    const text = JSON.stringify(pem);
    const settled = text === before;
    before = text;
    if (!settled) return;
    const root = readSigningRoot(pem, clock.now());
    if (!root.ok) return say(`the plugged-in CA is not used: ${root.error.message}; the one before goes on`, root.error.code);
    say('', '');
    await takeUp(keeper, pem, root.value.id);
  };
  const loop = () => {
    running = look().catch((error: unknown) => say(`the plugged-in CA cannot be read: ${errorText(error).slice(0, 200)}`, 'E_CA_STORE'));
    void running.then(() => {
      if (!closed) cancel = clock.setTimeout(loop, period * (0.9 + random.next() * 0.2));
    });
  };
  cancel = clock.setTimeout(loop, period * random.next());
  return {
    problem: () => problem,
    async close() {
      closed = true;
      cancel();
      await running;
    },
  };
}

async function takeUp(keeper: RootKeeper, pem: AuthorityPem, id: string): Promise<void> {
  const view = keeper.view();
  if (view === undefined) return;
  const { rotation, kept } = view;
  const known = kept[id];
  if (known !== undefined && (rotation.active !== id || sameBundle(known.pem, pem) || known.kind === 'self-signed')) return;
  // The rotation that goes on ends first; the next look comes back to it.
  if (rotation.phase !== 'steady' || rotation.declined === id) return;
  await keeper.adopt(pem, 'plugged-in');
}

/** Whether what is trusted and shown with a signer is the same; the key is its own in both. */
function sameBundle(a: AuthorityPem, b: AuthorityPem): boolean {
  return a.root === b.root && a.chain === b.chain && a.crl === b.crl;
}
