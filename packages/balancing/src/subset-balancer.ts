import type { Host } from './host.ts';
import type { ChooseContext } from './host-picker.ts';
import type { LoadBalancer } from './load-balancer.ts';
import { comparable, joinNames, keyOf, type MetadataCriteria } from './subset-criteria.ts';

export type SubsetFallback = 'none' | 'any' | 'default';

export interface SubsetSelector {
  readonly keys: readonly string[];
  /** Every subset has at most one host. */
  readonly singleHost: boolean;
  /** What to do without a subset; undefined leaves it to the cluster's fallback. */
  readonly fallback: SubsetFallback | 'keys' | undefined;
  /** For fallback `keys`: those of the request's keys to try with. */
  readonly fallbackKeys: readonly string[];
}

/** Envoy's `lb_subset_config`. */
export interface SubsetOptions {
  readonly selectors: readonly SubsetSelector[];
  readonly fallback: SubsetFallback;
  readonly defaultSubset: Readonly<Record<string, unknown>>;
  readonly panicModeAny: boolean;
  /** A host whose value is a list belongs to the subset of each item. */
  readonly listAsAny: boolean;
  /** Requests bring a `fallback_list` of alternatives, tried in turn. */
  readonly fallbackList: boolean;
}

export type SubsetEvent = 'lb_subsets_selected' | 'lb_subsets_fallback' | 'lb_subsets_fallback_panic';

interface Subset<H extends Host> {
  readonly hosts: H[];
  balancer: LoadBalancer<H> | undefined;
}

/** A balancer per subset of the hosts, found by the metadata that a request asks for (Envoy: "Load Balancer Subsets"). */
export function createSubsetBalancer<H extends Host>(
  hosts: readonly H[],
  options: SubsetOptions,
  metadataOf: (host: H) => Readonly<Record<string, unknown>>,
  create: (hosts: readonly H[]) => LoadBalancer<H>,
  onEvent: (event: SubsetEvent) => void,
): LoadBalancer<H> & { readonly subsets: number } {
  const selectors = new Map<string, SubsetSelector>();
  const subsets = new Map<string, Subset<H>>();
  for (const selector of options.selectors) {
    const keys = [...selector.keys].sort();
    if (!selectors.has(joinNames(keys))) selectors.set(joinNames(keys), selector);
    for (const host of hosts) {
      for (const entries of entriesOf(metadataOf(host), keys, options.listAsAny)) {
        const key = keyOf(entries);
        const subset = subsets.get(key) ?? { hosts: [], balancer: undefined };
        subsets.set(key, subset);
        if (!selector.singleHost || subset.hosts.length === 0) subset.hosts.push(host);
      }
    }
  }
  const all = create(hosts);
  const defaults = Object.entries(options.defaultSubset).map(([name, value]) => [name, comparable(value)] as const);
  const isDefault = (host: H): boolean => {
    const metadata = metadataOf(host);
    return defaults.every(([name, value]) => comparable(metadata[name]) === value);
  };
  const fallbacks: Record<SubsetFallback, LoadBalancer<H> | undefined> = {
    none: undefined,
    any: all,
    // A default subset without hosts is no fallback.
    default: hosts.some(isDefault) ? create(hosts.filter(isDefault)) : undefined,
  };
  const fallBack = (policy: SubsetFallback, context: ChooseContext): H | undefined => {
    const balancer = fallbacks[policy];
    if (balancer !== undefined) {
      onEvent('lb_subsets_fallback');
      const host = balancer.choose(context);
      if (host !== undefined) return host;
    }
    return undefined;
  };
  const find = (criteria: MetadataCriteria, context: ChooseContext): { readonly host: H | undefined } | undefined => {
    const subset = selectors.has(criteria.names) ? subsets.get(criteria.key) : undefined;
    if (subset === undefined) return undefined;
    onEvent('lb_subsets_selected');
    subset.balancer ??= create(subset.hosts);
    return { host: subset.balancer.choose(context) };
  };
  const chooseOnce = (criteria: MetadataCriteria | undefined, context: ChooseContext): H | undefined => {
    if (criteria !== undefined) {
      const found = find(criteria, context);
      if (found !== undefined) return found.host;
      const selector = selectors.get(criteria.names);
      if (selector?.fallback === 'keys') return chooseOnce(reduced(criteria, selector.fallbackKeys), context);
      if (selector?.fallback !== undefined) return fallBack(selector.fallback, context);
    }
    const host = fallBack(options.fallback, context);
    if (host !== undefined || !options.panicModeAny) return host;
    const any = all.choose(context);
    if (any !== undefined) onEvent('lb_subsets_fallback_panic');
    return any;
  };
  return {
    usesHash: all.usesHash,
    subsets: subsets.size,
    choose(context) {
      const { metadata } = context;
      if (options.fallbackList && metadata?.fallbackList !== undefined) {
        for (const alternative of metadata.fallbackList) {
          const found = find(alternative, context)?.host;
          if (found !== undefined) return found;
        }
        return chooseOnce(metadata.fallbackList.at(-1), context);
      }
      return chooseOnce(metadata, context);
    },
  };
}

/** The request's criteria with only these names. */
function reduced(criteria: MetadataCriteria, keys: readonly string[]): MetadataCriteria | undefined {
  const entries = criteria.entries.filter(([name]) => keys.includes(name));
  if (entries.length === 0) return undefined;
  return { names: joinNames(entries.map(([name]) => name)), entries, key: keyOf(entries) };
}

/** The subsets that a host belongs to by these names: none when one is missing, several with lists. */
function entriesOf(
  metadata: Readonly<Record<string, unknown>>,
  keys: readonly string[],
  listAsAny: boolean,
): (readonly (readonly [string, string])[])[] {
  let result: (readonly [string, string])[][] = [[]];
  for (const name of keys) {
    const value = metadata[name];
    if (value === undefined) return [];
    const values: readonly unknown[] = listAsAny && Array.isArray(value) ? value : [value];
    result = result.flatMap((entries) => values.map((each) => [...entries, [name, comparable(each)] as const]));
  }
  return result;
}
