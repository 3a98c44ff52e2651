import { FindingList, type Findings } from './findings.ts';
import { findKind } from './kinds.ts';
import type { ConfigObject } from './object.ts';
import { checkAnnotations } from './object-annotations.ts';
import { checkDryRun } from './policy-scope.ts';

/** Their own checks know more of dry runs than that a kind has none. */
const POLICIES: ReadonlySet<string> = new Set(['AuthorizationPolicy', 'RequestAuthentication', 'PeerAuthentication']);

/**
 * What admission has to say about an object beyond its shape, which `decodeObject` has checked. Pilot does not ask: what is stored is
 * translated as far as it can be, so that a policy which was admitted once goes on to protect.
 */
export function checkObject(object: ConfigObject): Findings {
  const general = new FindingList();
  checkAnnotations(object.metadata, general);
  if (!POLICIES.has(object.kind)) checkDryRun(object.metadata, undefined, general);
  const own = findKind(object.apiVersion, object.kind)?.check?.(object);
  if (own === undefined) return general;
  return { errors: [...general.errors, ...own.errors], warnings: [...general.warnings, ...own.warnings] };
}
