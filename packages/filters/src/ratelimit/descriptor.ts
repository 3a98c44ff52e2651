/** What a rate limit counts by (`envoy.extensions.common.ratelimit.v3.RateLimitDescriptor`). */
export interface Descriptor {
  readonly entries: readonly DescriptorEntry[];
  /** A limit in place of the service's own; `unit` as in `envoy.type.v3.RateLimitUnit`. */
  readonly limit: { readonly requestsPerUnit: number; readonly unit: number } | undefined;
  /** How many hits the request counts as; undefined is one. */
  readonly hits: number | undefined;
}

export interface DescriptorEntry {
  readonly key: string;
  readonly value: string;
}

/** A text that is the same for descriptors with the same entries in the same order. */
export function descriptorKey(entries: readonly DescriptorEntry[]): string {
  let text = '';
  for (const { key, value } of entries) text += `${key.length}:${key}${value.length}:${value}`;
  return text;
}
