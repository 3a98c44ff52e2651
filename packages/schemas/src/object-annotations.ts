import type { FindingList } from './findings.ts';
import type { ObjectMeta } from './object.ts';

/** Set by the mesh on what it makes itself; who could set them would speak for another namespace. */
const INTERNAL = ['internal.istio.io/parents', 'internal.istio.io/parent-namespace'] as const;
/** Admission tries itself with it. */
const ALWAYS_REJECT = 'internal.istio.io/webhook-always-reject';

/** Annotations that objects of no kind can have. */
export function checkAnnotations(metadata: ObjectMeta, findings: FindingList): void {
  if (metadata.annotations[ALWAYS_REJECT] !== undefined)
    findings.error(['metadata', 'annotations', ALWAYS_REJECT], 'refuses whatever has it; remove the annotation');
  for (const annotation of INTERNAL)
    if (metadata.annotations[annotation] !== undefined)
      findings.error(['metadata', 'annotations', annotation], "is the mesh's own; remove the annotation");
}
