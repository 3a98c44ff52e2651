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

/** Refers to an object, or to a field of it where a source with lines is known. */
export function referenceTo(config: ConfigObject, rule?: string): ConfigReference {
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
