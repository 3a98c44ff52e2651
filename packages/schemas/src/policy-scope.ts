import type { FindingList } from './findings.ts';
import type { ObjectMeta } from './object.ts';
import { checkLabelSelector } from './values/labels.ts';

interface TargetReference {
  readonly group?: string | undefined;
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string | undefined;
}

interface Scope {
  readonly selector?: { readonly matchLabels?: Readonly<Record<string, string>> | undefined } | undefined;
  readonly targetRef?: TargetReference | undefined;
  readonly targetRefs?: readonly TargetReference[] | undefined;
}

const DRY_RUN = 'istio.io/dry-run';
/** What Go's `strconv.ParseBool` reads. */
const BOOLEANS: ReadonlySet<string> = new Set(['1', 't', 'T', 'TRUE', 'true', 'True', '0', 'f', 'F', 'FALSE', 'false', 'False']);

/** Group and kind of what a policy can be attached to. */
const TARGETS: readonly (readonly [group: string, kind: string])[] = [
  ['', 'Service'],
  ['networking.istio.io', 'ServiceEntry'],
  ['gateway.networking.k8s.io', 'Gateway'],
  ['gateway.networking.k8s.io', 'GatewayClass'],
];

/** Which workloads a policy is for: by labels or by what it is attached to, never both. */
export function checkScope(scope: Scope, findings: FindingList): void {
  const references = scope.targetRefs ?? [];
  const ways = [scope.selector !== undefined, scope.targetRef !== undefined, references.length > 0].filter(Boolean).length;
  if (ways > 1) findings.error(['spec'], 'only one of selector, targetRef and targetRefs can be set');
  checkSelector(scope.selector, findings);
  if (scope.targetRef !== undefined) checkReference(scope.targetRef, ['spec', 'targetRef'], findings);
  for (const [index, reference] of references.entries()) checkReference(reference, ['spec', 'targetRefs', index], findings);
}

export function checkSelector(selector: Scope['selector'], findings: FindingList): void {
  if (selector !== undefined) checkLabelSelector(selector.matchLabels, ['spec', 'selector', 'matchLabels'], findings);
}

function checkReference(reference: TargetReference, path: readonly PropertyKey[], findings: FindingList): void {
  if (reference.name === '') findings.error([...path, 'name'], 'must be set');
  if (reference.namespace !== undefined && reference.namespace !== '')
    findings.error([...path, 'namespace'], 'must not be set: a policy is attached only to what is in its own namespace');
  // The group of Services has no name; some write the one it once had.
  const group = reference.group === 'core' ? '' : (reference.group ?? '');
  if (TARGETS.some(([targetGroup, kind]) => targetGroup === group && kind === reference.kind)) return;
  const known = TARGETS.map(([targetGroup, kind]) => (targetGroup === '' ? kind : `${targetGroup}/${kind}`)).join(', ');
  findings.error(path, `"${group === '' ? reference.kind : `${group}/${reference.kind}`}" cannot have policies; use one of ${known}`);
}

/** `action`: the actions that can be tried without effect. Without it the kind has no dry run. */
export function checkDryRun(metadata: ObjectMeta, action: { readonly of: string } | undefined, findings: FindingList): void {
  const value = metadata.annotations[DRY_RUN];
  if (value === undefined) return;
  const path = ['metadata', 'annotations', DRY_RUN];
  if (action === undefined) findings.error(path, 'only an AuthorizationPolicy can be a dry run; remove the annotation');
  else if (action.of !== 'ALLOW' && action.of !== 'DENY') findings.error(path, `only ALLOW and DENY can be a dry run, not ${action.of}`);
  else if (!BOOLEANS.has(value)) findings.error(path, `"${value}" is not a boolean: write true or false`);
}
