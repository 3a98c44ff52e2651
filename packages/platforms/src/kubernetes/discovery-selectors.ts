import type { MeshConfig } from '@xebec/schemas';

type Labels = Readonly<Record<string, string>>;

/** Whether a mesh reads anything of a namespace; `all` where it reads every one. */
export interface Discovers {
  (namespace: string): boolean;
  readonly all: boolean;
}

/**
 * The namespaces that MeshConfig's `discoverySelectors` choose: those that match any of them. Without selectors every namespace is
 * chosen. What belongs to no namespace is always seen; a namespace that is not known has no labels, and so is not chosen.
 */
export function discovers(mesh: MeshConfig, namespaces: ReadonlyMap<string, Labels>): Discovers {
  const selectors = Array.isArray(mesh.discoverySelectors) ? mesh.discoverySelectors.filter(isRecord) : [];
  if (selectors.length === 0) return Object.assign(() => true, { all: true });
  const chosen = new Set(
    [...namespaces].filter(([, labels]) => selectors.some((selector) => matches(selector, labels))).map(([name]) => name),
  );
  return Object.assign((namespace: string) => namespace === '' || chosen.has(namespace), { all: false });
}

/** A Kubernetes LabelSelector: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/. */
function matches(selector: Record<string, unknown>, labels: Labels): boolean {
  const { matchLabels, matchExpressions } = selector;
  const wanted = isRecord(matchLabels) ? Object.entries(matchLabels) : [];
  const expressions = Array.isArray(matchExpressions) ? matchExpressions.filter(isRecord) : [];
  return wanted.every(([key, value]) => labels[key] === value) && expressions.every((expression) => holds(expression, labels));
}

function holds({ key, operator, values }: Record<string, unknown>, labels: Labels): boolean {
  const value = labels[typeof key === 'string' ? key : ''];
  const listed = Array.isArray(values) && values.includes(value);
  switch (operator) {
    case 'In':
      return value !== undefined && listed;
    case 'NotIn':
      return value === undefined || !listed;
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    default:
      return false;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
