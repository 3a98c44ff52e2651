import type { ConfigObject } from '@xebec/schemas';

/** The object, and where known the rule and line, that made a resource what it is. */
export interface ConfigReference {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** Path of the deciding field, such as `spec.http[0]`. */
  readonly rule?: string;
  readonly file?: string;
  readonly line?: number;
}

/** A resource and what made it. */
export interface Generated<T> {
  readonly name: string;
  readonly message: T;
  readonly provenance: readonly ConfigReference[];
}

/** Refers to an object, or to a field of it where a source with lines is known; to an Ingress where the field was made of one. */
export function referenceTo(config: ConfigObject, rule?: string): ConfigReference {
  const origin = rule === undefined ? undefined : config.origins?.[rule];
  if (origin !== undefined) return { kind: origin.kind, namespace: origin.namespace, name: origin.name, rule: origin.rule };
  const { source } = config;
  const line = rule === undefined ? source?.line : (source?.fieldLines?.[rule] ?? source?.line);
  return {
    kind: config.kind,
    namespace: config.metadata.namespace,
    name: config.metadata.name,
    ...(rule === undefined ? {} : { rule }),
    ...(source === undefined ? {} : { file: source.file }),
    ...(line === undefined ? {} : { line }),
  };
}

/** Refers to an object, or to those that it was made of. */
export function referencesTo(config: ConfigObject): ConfigReference[] {
  const origins = Object.values(config.origins ?? {});
  if (origins.length === 0) return [referenceTo(config)];
  const objects = new Map(origins.map(({ kind, namespace, name }) => [`${kind}/${namespace}/${name}`, { kind, namespace, name }]));
  return [...objects.values()];
}
