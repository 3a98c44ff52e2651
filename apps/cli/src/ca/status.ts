import { formatTable } from '../table.ts';

/** As much of Citadel's status as is shown; times are ISO 8601. */
export interface CaStatus {
  readonly trustDomain: string;
  readonly phase: string;
  readonly since: string;
  readonly paused: boolean;
  readonly rollingBack: boolean;
  readonly bundleVersion: number;
  readonly signer?: RootStatus;
  readonly other?: RootStatus;
  readonly bundle: readonly { readonly fingerprint: string; readonly notAfter: string }[];
  readonly instances: { readonly connected: number; readonly known: number };
  readonly waitingFor: readonly { readonly id: string; readonly reason: string; readonly until?: string }[];
  readonly waitingForCount: number;
  readonly skipped: readonly string[];
  readonly revoked: readonly { readonly serial: string; readonly at: string }[];
  readonly problem?: string;
  readonly answer?: { readonly id: string; readonly ok: boolean; readonly message: string };
}

interface RootStatus {
  readonly kind: string;
  readonly root: string;
  readonly serialNumber: string;
  readonly notAfter: string;
}

/** What each phase waits for, in an operator's words. */
const PHASES: Readonly<Record<string, string>> = {
  steady: 'no rotation is going on',
  distributing: 'everybody learns to trust the new root; the old signs',
  switching: 'the new root signs; everybody renews; both are trusted',
  retiring: 'the old root is taken out of every bundle',
};

/** Citadel writes it; nothing else may write there, so the shape is taken as it is. */
export function readStatus(text: string): CaStatus | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && 'phase' in value && 'bundle' in value ? (value as CaStatus) : undefined;
  } catch {
    return undefined;
  }
}

/** An intermediate that signs ends before its root, and nobody renews it by himself. */
function signerLine({ signer, bundle }: CaStatus): string[] {
  if (signer === undefined) return [];
  const root = bundle.find(({ fingerprint }) => fingerprint === signer.root);
  return root?.notAfter === signer.notAfter ? [] : [`Signer:        intermediate ${signer.serialNumber}, expires ${signer.notAfter}`];
}

export function showStatus(status: CaStatus): string {
  const { phase, signer, other } = status;
  const marks = [status.paused ? 'paused' : '', status.rollingBack ? 'rolling back' : ''].filter((mark) => mark !== '');
  const lines = [
    `Trust domain:  ${status.trustDomain}`,
    `Phase:         ${phase}${marks.length === 0 ? '' : ` (${marks.join(', ')})`} since ${status.since}: ${PHASES[phase] ?? ''}`,
    `Bundle:        version ${status.bundleVersion}, ${status.bundle.length} ${status.bundle.length === 1 ? 'root' : 'roots'}`,
    `Instances:     ${status.instances.connected} connected, ${status.instances.known} known`,
    ...signerLine(status),
    ...(status.problem === undefined ? [] : [`Problem:       ${status.problem}`]),
    ...(status.revoked.length === 0
      ? []
      : [`Revoked:       ${status.revoked.length} ${status.revoked.length === 1 ? 'certificate' : 'certificates'}`]),
    ...(status.skipped.length === 0 ? [] : [`Skipped:       ${status.skipped.join(', ')}`]),
  ];
  const role = (fingerprint: string) =>
    fingerprint === signer?.root ? 'signs' : fingerprint === other?.root ? (phase === 'distributing' ? 'comes' : 'goes') : 'trusted';
  const roots = status.bundle.map((root) => ({
    ...root,
    kind: [signer, other].find((known) => known?.root === root.fingerprint)?.kind ?? '',
  }));
  const gone = other !== undefined && !roots.some(({ fingerprint }) => fingerprint === other.root) ? [other] : [];
  const rows = [
    ...roots.map((root) => [role(root.fingerprint), root.kind, root.notAfter, root.fingerprint]),
    ...gone.map((root) => ['goes', root.kind, root.notAfter, root.root]),
  ];
  const tables = [formatTable(['ROOT', 'KIND', 'EXPIRES', 'SHA-256'], rows)];
  if (status.waitingForCount > 0) {
    const waiting = status.waitingFor.map(({ id, reason, until }) => [id, until ?? 'it reports', reason]);
    const more = status.waitingForCount - waiting.length;
    tables.push(formatTable(['WAITING FOR', 'UNTIL', 'WHY'], waiting) + (more > 0 ? `… and ${more} more\n` : ''));
  }
  return `${lines.join('\n')}\n\n${tables.join('\n')}`;
}
