import type { RootKeeper } from '../roots/root-keeper.ts';
import { fingerprint } from '../roots/signing-root.ts';
import type { CaAnswer } from './control-desk.ts';

/** What `xebec ca status` shows; times are ISO 8601. No secret is in it. */
export interface CaStatus {
  readonly trustDomain: string;
  readonly phase: string;
  readonly since: string;
  readonly paused: boolean;
  readonly rollingBack: boolean;
  readonly bundleVersion: number;
  readonly signer: RootStatus | undefined;
  /** The root to come, or to go. */
  readonly other: RootStatus | undefined;
  readonly bundle: readonly { readonly fingerprint: string; readonly notAfter: string }[];
  readonly instances: { readonly connected: number; readonly known: number };
  readonly waitingFor: readonly { readonly id: string; readonly reason: string; readonly until?: string }[];
  readonly waitingForCount: number;
  readonly skipped: readonly string[];
  readonly revoked: readonly { readonly serial: string; readonly at: string }[];
  readonly problem?: string;
  readonly answer?: CaAnswer;
  readonly citadel: string;
}

export interface RootStatus {
  readonly kind: string;
  /** SHA-256 of the root. */
  readonly root: string;
  readonly serialNumber: string;
  readonly notAfter: string;
}

const MAX_NAMED = 100;

export function caStatus(
  keeper: RootKeeper,
  about: { readonly trustDomain: string; readonly citadel: string; readonly answer: CaAnswer | undefined; readonly problem: string },
): CaStatus | undefined {
  const view = keeper.view();
  if (view === undefined) return undefined;
  const { rotation, bundle, signers, kept } = view;
  const time = (ms: number) => new Date(ms).toISOString();
  const rootOf = (id: string | undefined): RootStatus | undefined => {
    const signer = id === undefined ? undefined : signers.get(id);
    if (id === undefined || signer === undefined) return undefined;
    const { certificate } = signer.authority;
    return {
      kind: kept[id]?.kind ?? '',
      root: signer.anchor,
      serialNumber: certificate.serialNumber,
      notAfter: time(certificate.notAfter),
    };
  };
  const waiting = keeper.waitingFor();
  return {
    trustDomain: about.trustDomain,
    phase: rotation.phase,
    since: time(rotation.since),
    paused: rotation.paused,
    rollingBack: rotation.rollingBack,
    bundleVersion: rotation.bundleVersion,
    signer: rootOf(rotation.active),
    other: rootOf(rotation.other),
    bundle: bundle.roots.map((root) => ({ fingerprint: fingerprint(root), notAfter: time(root.notAfter) })),
    instances: { connected: keeper.ledger.connections, known: [...keeper.ledger.instances()].length },
    waitingFor: waiting
      .slice(0, MAX_NAMED)
      .map(({ id, reason, until }) => ({ id, reason, ...(until === undefined ? {} : { until: time(until) }) })),
    waitingForCount: waiting.length,
    skipped: rotation.skipped.slice(0, MAX_NAMED),
    revoked: view.revoked.slice(-MAX_NAMED).map(({ serial, revokedAt }) => ({ serial, at: time(revokedAt) })),
    ...(about.problem === '' ? {} : { problem: about.problem }),
    ...(about.answer === undefined ? {} : { answer: about.answer }),
    citadel: about.citadel,
  };
}
