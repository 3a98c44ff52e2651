import { randomBytes } from 'node:crypto';
import { type Clock, errorText, type Logger, type Random } from '@xebec/core';
import { certificatePem, createRootBy, unwrap } from '@xebec/identity';
import type { RootKeeper } from './root-keeper.ts';

export interface RootRenewalOptions {
  readonly keeper: RootKeeper;
  /** The organization in the subject of new roots. */
  readonly organization: string;
  readonly ttlMs: number;
  /** Share of the life that is left when a root is renewed, in percent. */
  readonly gracePercent?: number;
  readonly checkMs?: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

const CHECK_MS = 3_600_000;
const GRACE_PERCENT = 20;
const LISTS_EVERY_MS = 86_400_000;

/**
 * Renews a self-signed root before it expires, as istiod does: looks every hour, at first within one, and when less than a fifth of its
 * life is left makes a certificate with the same key and subject, so that everything the old one has signed stays good. Also keeps the
 * revocation lists young.
 */
export function renewRoots(options: RootRenewalOptions): { close(): void } {
  const { keeper, clock, random, logger } = options;
  const period = options.checkMs ?? CHECK_MS;
  let cancel: () => void = () => undefined;
  let closed = false;
  let listsAt = clock.now();

  const look = async () => {
    if (clock.now() - listsAt >= LISTS_EVERY_MS) {
      listsAt = clock.now();
      await keeper.renewRevocationLists();
    }
    const view = keeper.view();
    const id = view?.rotation.active;
    if (view === undefined || id === undefined) return;
    const { certificate } = view.authority;
    const kept = view.kept[id];
    const left = certificate.notAfter - clock.now();
    if (left > (options.ttlMs * (options.gracePercent ?? GRACE_PERCENT)) / 100) return;
    if (kept?.kind !== 'self-signed') {
      logger.warn(
        { code: 'E_CA_EXPIRED' },
        `the plugged-in CA certificate expires at ${new Date(certificate.notAfter).toISOString()}: plug in a new one`,
      );
      return;
    }
    const template = { organization: options.organization, ttlMs: options.ttlMs, now: clock.now(), serial: randomBytes(16) };
    const renewed = unwrap(await createRootBy(view.authority.signer, template));
    if (!Buffer.from(renewed.subject).equals(certificate.subject)) {
      // Made by somebody else, with another subject: what it has signed would not lead to the new one.
      logger.warn({ code: 'E_CA_EXPIRED' }, 'the root has another subject than new roots get: it is replaced by a rotation');
      if (view.rotation.phase === 'steady') await keeper.rotate();
      return;
    }
    const pem = certificatePem(renewed);
    await keeper.renewWithSameKey(id, { certificate: pem, privateKey: kept.pem.privateKey, root: pem });
    logger.info({ notAfter: new Date(renewed.notAfter).toISOString() }, 'the root is renewed with its key');
  };
  const loop = () => {
    look()
      .catch((error: unknown) => logger.error({ code: 'E_CA_STORE' }, `the root is not renewed: ${errorText(error).slice(0, 200)}`))
      .finally(() => {
        if (!closed) cancel = clock.setTimeout(loop, period);
      });
  };
  cancel = clock.setTimeout(loop, period * random.next());
  return {
    close() {
      closed = true;
      cancel();
    },
  };
}
