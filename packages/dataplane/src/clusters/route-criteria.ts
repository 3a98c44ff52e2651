import { type MetadataCriteria, metadataCriteria } from '@xebec/balancing';
import type { Metadata } from '@xebec/protos/envoy/config/core/v3/base';

const compiled = new WeakMap<Metadata, { readonly criteria: MetadataCriteria | undefined }>();

/** What a route's `metadata_match` asks of hosts; compiled once per route. */
export function routeCriteria(metadata: Metadata | undefined): MetadataCriteria | undefined {
  if (metadata === undefined) return undefined;
  let known = compiled.get(metadata);
  if (known === undefined) {
    known = { criteria: metadataCriteria(metadata.filterMetadata['envoy.lb']) };
    compiled.set(metadata, known);
  }
  return known.criteria;
}

/** The value at a path of dynamic metadata. */
export function metadataAt(values: Readonly<Record<string, unknown>> | undefined, path: readonly string[]): unknown {
  let value: unknown = values;
  for (const segment of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = Reflect.get(value, segment);
  }
  return value;
}
