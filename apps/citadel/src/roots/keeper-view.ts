import { type Clock, type Logger, XebecError } from '@xebec/core';
import type { Authority, Signer } from '@xebec/identity';
import type { Rotation } from '../rotation/rotation.ts';
import type { CaDocument, KeptSigner, RevokedCertificate } from './document.ts';
import { revocationLists } from './revocation-lists.ts';
import { readSigningRoot, type SigningRoot } from './signing-root.ts';
import { type TrustedBundle, trustedBundle } from './trusted-bundle.ts';

/** What the outside needs to know of the keeper's state at one moment. */
export interface KeeperView {
  readonly rotation: Rotation;
  readonly bundle: TrustedBundle;
  /** The signer in use, with the whole bundle as its roots. */
  readonly authority: Authority<Signer>;
  readonly signers: ReadonlyMap<string, SigningRoot>;
  readonly kept: Readonly<Record<string, KeptSigner>>;
  readonly revoked: readonly RevokedCertificate[];
  readonly revokedSerials: ReadonlySet<string>;
}

export interface ViewSources {
  /** Shown in messages: where the document lies. */
  readonly where: string;
  /** The key of that name, which another place keeps; undefined when it is not there. */
  loadKey(name: string): Promise<Signer | undefined>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Reads every signer of a document and joins what is to be trusted. Throws a XebecError when the one that signs cannot be used. */
export async function makeKeeperView(document: CaDocument, known: KeeperView | undefined, sources: ViewSources): Promise<KeeperView> {
  const { where, clock, logger } = sources;
  const signers = new Map<string, SigningRoot>();
  for (const [id, kept] of Object.entries(document.signers)) {
    const root = known?.kept[id] === kept ? known.signers.get(id) : undefined;
    if (root !== undefined) {
      signers.set(id, root);
      continue;
    }
    const key =
      kept.keyName === undefined ? undefined : (known?.signers.get(id)?.authority.signer ?? (await sources.loadKey(kept.keyName)));
    if (kept.keyName !== undefined && key === undefined) {
      logger.error({ code: 'E_KEY_STORE' }, `the key ${kept.keyName} of a CA of ${where} is not there`);
      continue;
    }
    const read = readSigningRoot(kept.pem, clock.now(), key);
    if (read.ok) signers.set(id, read.value);
    else logger.error({ code: read.error.code }, `a CA of ${where} cannot be used: ${read.error.message}`);
  }
  const { rotation, revoked } = document;
  const active = signers.get(rotation.active);
  if (active === undefined) throw new XebecError('E_CA_STORE', `the CA that signs cannot be used; see ${where}`);
  const complain = (text: string) => logger.warn({ code: 'E_CRL' }, text);
  const crls = await revocationLists(revoked, signers, document.crlNumber, clock.now(), complain);
  const bundle = trustedBundle(rotation, signers, crls, document.extraRootPem ?? '');
  return {
    rotation,
    bundle,
    authority: { ...active.authority, rootPem: bundle.rootPem },
    signers,
    kept: document.signers,
    revoked,
    revokedSerials: new Set(revoked.map(({ serial }) => serial)),
  };
}

/** Whether two documents mean the same to everybody but the ledger. */
export function sameRoots(a: CaDocument, b: CaDocument): boolean {
  const text = ({ rotation, signers, crlNumber }: CaDocument) => JSON.stringify([rotation, Object.keys(signers), crlNumber]);
  return text(a) === text(b);
}
