import type { ConfigObject } from '@xebec/schemas';

/** What keeps an SMI object, or a part of it, from taking effect. */
export interface SmiProblem {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** Field path, such as `spec.backends[1].weight`. */
  readonly path: string;
  readonly message: string;
}

export type Report = (object: ConfigObject, path: string, message: string) => void;

export function smiProblemText({ kind, namespace, name, path, message }: SmiProblem): string {
  return `${kind} ${namespace}/${name}: ${path === '' ? '' : `${path}: `}${message}`;
}
