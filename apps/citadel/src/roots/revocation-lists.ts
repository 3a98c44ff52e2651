import { XebecError } from '@xebec/core';
import {
  type Certificate,
  checkRevocationList,
  createRevocationList,
  parseRevocationLists,
  type RevocationList,
  revocationListPem,
} from '@xebec/identity';
import type { Ledger } from '../rotation/ledger.ts';
import type { RevokedCertificate } from './document.ts';
import type { SigningRoot } from './signing-root.ts';

/** Longer than any leaf should live without its CA, short enough that a lost list is noticed. */
const VALID_MS = 30 * 86_400_000;
const BACKDATE_MS = 120_000;
/** As many as every reader of the mesh takes, agents of before too. */
export const MAX_REVOKED = 1000;

/**
 * The lists in force, PEM: one of each signer, and what came with plugged-in CAs. As soon as there is any list there is one of every
 * signer, empty or not, because verifiers that check revocation refuse certificates of a CA without a list. Empty when nothing was ever
 * revoked. `complain` is told of lists that cannot be used.
 */
export async function revocationLists(
  revoked: readonly RevokedCertificate[],
  signers: ReadonlyMap<string, SigningRoot>,
  crlNumber: number,
  now: number,
  complain: (text: string) => void,
): Promise<string> {
  const given: { readonly list: RevocationList; readonly issuer: Certificate }[] = [];
  for (const { pem, authority, roots } of signers.values()) {
    if (pem.crl === undefined || pem.crl.trim() === '') continue;
    const lists = parseRevocationLists(pem.crl);
    if (!lists.ok) {
      complain(`ca-crl.pem is not used: ${lists.error.message}`);
      continue;
    }
    for (const list of lists.value) {
      const issuer = checkRevocationList(list, [authority.certificate, ...authority.intermediates, ...roots], now);
      if (issuer.ok) given.push({ list, issuer: issuer.value });
      else complain(`a list of ca-crl.pem is not used: ${issuer.error.message}`);
    }
  }
  if (given.length === 0 && revoked.length === 0) return '';
  const lists = [...signers].map(async ([id, { authority }]) => {
    const { certificate, signer } = authority;
    const before = given.filter(({ list }) => list.issuer.length > 0 && Buffer.from(list.issuer).equals(certificate.subject));
    const entries = new Map(before.flatMap(({ list }) => [...list.revoked]));
    for (const { serial, signer: by, revokedAt } of revoked) if (by === id) entries.set(serial, revokedAt);
    const list = await createRevocationList(certificate, signer, {
      // Above what came with the CA, in the usual case that its number counts its lists.
      number: crlNumber + 1,
      thisUpdate: now - BACKDATE_MS,
      nextUpdate: Math.min(now + VALID_MS, certificate.notAfter),
      revoked: [...entries].slice(0, MAX_REVOKED).map(([serialNumber, revokedAt]) => ({ serialNumber, revokedAt })),
    });
    return { subject: certificate.subject, list };
  });
  const own = await Promise.all(lists);
  const others = given.filter(({ list }) => !own.some(({ subject }) => Buffer.from(subject).equals(list.issuer)));
  const unique = new Map(
    [...own.map(({ list }) => list), ...others.map(({ list }) => list.der)].map((der) => [Buffer.from(der).toString('base64'), der]),
  );
  return [...unique.values()].map(revocationListPem).join('');
}

/** What an operator means by a serial number (with or without colons) or a SPIFFE ID. Throws a XebecError for what is nothing of both. */
export function certificatesToRevoke(
  argument: string,
  ledger: Ledger,
  active: { readonly id: string; readonly certificate: Certificate },
  now: number,
): RevokedCertificate[] {
  const cannotSign = active.certificate.extensions.keyUsage?.usages.has('cRLSign') === false;
  if (cannotSign)
    throw new XebecError('E_ROTATION', 'the CA certificate lacks the key usage cRLSign; lists must come with it, as ca-crl.pem');
  if (argument.startsWith('spiffe://')) {
    const held = ledger.certificatesOf(argument).filter(({ notAfter }) => notAfter > now);
    if (held.length === 0) throw new XebecError('E_ROTATION', `no valid certificate of ${argument} is known`);
    return held.map(({ serial, signer, notAfter }) => ({ serial, signer, notAfter, revokedAt: now }));
  }
  const serial = argument
    .replaceAll(':', '')
    .toLowerCase()
    .replace(/^0+(?=.)/, '');
  if (!/^[0-9a-f]{1,40}$/.test(serial)) throw new XebecError('E_ROTATION', 'a serial number in hex or a SPIFFE ID is wanted');
  const known = ledger.certificate(serial);
  // One that is not known may be of before a restart: the list of the signer in use names it as long as the signer lives.
  const { signer, notAfter } = known ?? { signer: active.id, notAfter: active.certificate.notAfter };
  return [{ serial, signer, notAfter, revokedAt: now }];
}
