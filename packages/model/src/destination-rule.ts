import { query, sameList } from '@xebec/incremental';
import type { ConfigObject, DestinationRuleSpec, Subset, TrafficPolicy } from '@xebec/schemas';
import { compareHosts, hostCovers, resolveHost } from './host.ts';
import { isNarrow, selects } from './labels.ts';
import type { MeshProxy } from './proxy.ts';
import type { Service } from './service.ts';
import type { MeshSnapshot } from './snapshot.ts';
import { isVisible } from './visibility.ts';

type DestinationRule = ConfigObject<DestinationRuleSpec>;

/** DestinationRules of one host after merging. */
export interface ResolvedDestinationRule {
  readonly trafficPolicy?: TrafficPolicy;
  readonly subsets: readonly Subset[];
  /** Every object that took part, the deciding one first. */
  readonly sources: readonly [DestinationRule, ...DestinationRule[]];
}

/** What the lookup needs to know of the client. */
export type DestinationRuleViewer = Pick<MeshProxy, 'namespace' | 'labels'>;

/**
 * The rule a client applies to a service: from its own namespace, else the service's, else the root namespace; in each,
 * the most specific host. Rules of the same host in one namespace merge: subsets add up, the oldest traffic policy stays.
 */
export const destinationRuleOf = query(
  'destination rule',
  (
    snapshot: MeshSnapshot,
    viewer: DestinationRuleViewer,
    service: Pick<Service, 'hostname' | 'namespace'>,
  ): ResolvedDestinationRule | undefined => {
    const places = [viewer.namespace, service.namespace, snapshot.rootNamespace];
    // A client in the root namespace takes the service's own rule before the mesh-wide one.
    if (viewer.namespace === snapshot.rootNamespace) places.shift();
    for (const place of new Set(places)) {
      const found = mostSpecific(snapshot, viewer, place, service.hostname);
      if (found !== undefined) return found;
    }
    return undefined;
  },
  // What merging gives depends on the objects alone.
  { same: (a, b) => a === b || (a !== undefined && b !== undefined && sameList(a.sources, b.sources)) },
);

function mostSpecific(
  snapshot: MeshSnapshot,
  viewer: DestinationRuleViewer,
  place: string,
  hostname: string,
): ResolvedDestinationRule | undefined {
  const fallback = snapshot.mesh.defaultDestinationRuleExportTo ?? ['*'];
  const applies = (rule: DestinationRule) => {
    if (!isVisible(rule.spec.exportTo, place, viewer.namespace, fallback)) return false;
    const selector = rule.spec.workloadSelector?.matchLabels;
    return !isNarrow(selector) || (place === viewer.namespace && selects(selector, viewer.labels));
  };
  const { exact, wildcards } = indexOf(snapshot, place);
  const own = merge((exact.get(hostname) ?? []).filter(applies));
  if (own !== undefined) return own;
  for (const { host, rules } of wildcards) {
    const found = hostCovers(host, hostname) ? merge(rules.filter(applies)) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The rules of a namespace by the host they are for. */
interface HostIndex {
  readonly exact: ReadonlyMap<string, readonly DestinationRule[]>;
  /** The most specific first. */
  readonly wildcards: readonly { readonly host: string; readonly rules: readonly DestinationRule[] }[];
}

const indexOf = query('destination rules of a namespace', (snapshot: MeshSnapshot, place: string): HostIndex => {
  const byHost = new Map<string, DestinationRule[]>();
  for (const rule of snapshot.config.in('DestinationRule', place)) {
    const host = resolveHost(rule.spec.host, place, snapshot.domain);
    const list = byHost.get(host);
    if (list === undefined) byHost.set(host, [rule]);
    else list.push(rule);
  }
  const wildcards = [...byHost].filter(([host]) => host.startsWith('*')).map(([host, rules]) => ({ host, rules }));
  return { exact: byHost, wildcards: wildcards.sort((a, b) => compareHosts(a.host, b.host)) };
});

function merge(rules: readonly DestinationRule[]): ResolvedDestinationRule | undefined {
  // Rules that select the workload come over those for everybody.
  const narrow = (rule: DestinationRule) => isNarrow(rule.spec.workloadSelector?.matchLabels);
  const [first, ...rest] = [...rules.filter(narrow), ...rules.filter((rule) => !narrow(rule))];
  if (first === undefined) return undefined;
  const subsets = new Map<string, Subset>();
  for (const rule of [first, ...rest])
    for (const subset of rule.spec.subsets ?? []) if (!subsets.has(subset.name)) subsets.set(subset.name, subset);
  const withPolicy = [first, ...rest].filter((rule) => rule.spec.trafficPolicy !== undefined);
  const base = withPolicy[0]?.spec.trafficPolicy;
  const broader = withPolicy.find((rule) => !narrow(rule))?.spec.trafficPolicy;
  const trafficPolicy = base === undefined ? undefined : narrow(first) ? { ...broader, ...base } : base;
  return { ...(trafficPolicy === undefined ? {} : { trafficPolicy }), subsets: [...subsets.values()], sources: [first, ...rest] };
}

/**
 * The traffic policy of one port of a service or subset: port level replaces wholesale, subset comes over the rule's own,
 * the mesh's default fills in connection pool and outlier detection where nothing is said.
 */
export function trafficPolicyOf(
  rule: Pick<ResolvedDestinationRule, 'trafficPolicy'> | undefined,
  subset: Subset | undefined,
  port: number,
  meshDefault: TrafficPolicy | undefined,
): TrafficPolicy {
  const top = atPort(rule?.trafficPolicy, port)?.policy;
  const general: TrafficPolicy = {
    ...top,
    ...((top?.connectionPool ?? meshDefault?.connectionPool) === undefined
      ? {}
      : { connectionPool: top?.connectionPool ?? meshDefault?.connectionPool }),
    ...((top?.outlierDetection ?? meshDefault?.outlierDetection) === undefined
      ? {}
      : { outlierDetection: top?.outlierDetection ?? meshDefault?.outlierDetection }),
  };
  const own = atPort(subset?.trafficPolicy, port);
  if (own === undefined) return general;
  const { loadBalancer: _l, connectionPool: _c, outlierDetection: _o, tls: _t, ...rest } = general;
  return own.ofPort ? { ...rest, ...own.policy } : { ...general, ...own.policy };
}

/** What a policy says of a port. Port level settings stand alone: what they leave out is not taken from the rest. */
function atPort(policy: TrafficPolicy | undefined, port: number): { policy: TrafficPolicy; ofPort: boolean } | undefined {
  if (policy === undefined) return undefined;
  const { portLevelSettings, ...general } = policy;
  const settings = portLevelSettings?.find((entry) => entry.port?.number === port);
  if (settings === undefined) return { policy: general, ofPort: false };
  const { port: _, ...own } = settings;
  return { policy: own, ofPort: true };
}
