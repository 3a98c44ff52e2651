import { type Findings, NO_FINDINGS } from './findings.ts';
import { findKind } from './kinds.ts';
import type { ConfigObject } from './object.ts';

/**
 * What admission has to say about an object beyond its shape, which `decodeObject` has checked. Pilot does not ask: what is stored is
 * translated as far as it can be, so that a policy which was admitted once goes on to protect.
 */
export function checkObject(object: ConfigObject): Findings {
  return findKind(object.apiVersion, object.kind)?.check?.(object) ?? NO_FINDINGS;
}
