import type { CaDocument } from '../roots/document.ts';
import type { UnclaimedLeaf } from './ledger.ts';

/**
 * What stands for certificates that were handed out in the last moments before a crash and are in no ledger: while no rotation goes on
 * the ledger is written after the answers. Whoever reports will be known again by his report, so only a mesh in which some do not report
 * has to wait for it. During a rotation answers wait for the ledger, so nothing is missing.
 */
export function unwrittenLeaf({ rotation, ledger, clean }: CaDocument, now: number): UnclaimedLeaf | undefined {
  const { phase, active, bundleVersion } = rotation;
  if (clean === true || phase !== 'steady' || !ledger.leaves.some(({ notAfter }) => notAfter > now)) return undefined;
  const notAfter = now + (ledger.longestMs ?? 0);
  return { identity: 'unwritten', serial: `before-${now}`, signer: active, notAfter, bundleVersion };
}
