import type { Violation } from '@xebec/core';
import {
  type ConfigObject,
  findKind,
  type HandlerSpec,
  type InstanceSpec,
  type OlderHandlerSpec,
  type OlderInstanceSpec,
} from '@xebec/schemas';

/** A handler object, or one of an older kind that names its adapter (`kind: denier`), as a handler; undefined for all else. */
export function handlerSpecOf(object: ConfigObject): HandlerSpec | undefined {
  if (object.kind === 'handler') return object.spec as HandlerSpec; // decoded by its kind
  if (readAs(object) !== 'handler') return undefined;
  return { compiledAdapter: object.kind, params: object.spec as OlderHandlerSpec }; // decoded by its kind
}

/** An instance object, or one of an older kind that names its template (`kind: metric`), as an instance; undefined for all else. */
export function instanceSpecOf(object: ConfigObject): InstanceSpec | undefined {
  if (object.kind === 'instance') return object.spec as InstanceSpec; // decoded by its kind
  if (readAs(object) !== 'instance') return undefined;
  const { attributeBindings, ...params } = object.spec as OlderInstanceSpec; // decoded by its kind
  return { compiledTemplate: object.kind, params, ...(attributeBindings === undefined ? {} : { attributeBindings }) };
}

/** How rules name it in full: `name.namespace`, or `name.kind.namespace` for older kinds, which have names apart from each other. */
export function referenceName(object: ConfigObject): string {
  const { name, namespace } = object.metadata;
  return readAs(object) === undefined ? `${name}.${namespace}` : `${name}.${object.kind}.${namespace}`;
}

/** Violations with the paths that the object was written with: the params of an older kind are its spec. */
export function inWrittenForm<V extends Violation>(object: ConfigObject, violations: readonly V[]): readonly V[] {
  if (readAs(object) === undefined) return violations;
  return violations.map((violation) => ({ ...violation, path: violation.path.replace(/^spec\.params\b/, 'spec') }));
}

const readAs = ({ apiVersion, kind }: ConfigObject) => findKind(apiVersion, kind)?.readAs;
