import { query, sameList } from '@xebec/incremental';
import type { ConfigObject, DestinationRuleSpec, Subset, TrafficPolicy } from '@xebec/schemas';
import { compareHosts, hostCovers, resolveHost } from './host.ts';
import { type Labels, selects } from './labels.ts';
import type { MeshProxy } from './proxy.ts';
import type { Service } from './service.ts';
import type { MeshSnapshot } from './snapshot.ts';

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
 * The rule a client applies to a service: from its own namespace, else what the service's namespace exports to it, else the
 * root namespace. The most specific host of a namespace decides, also where none of its rules is for this workload. Rules
 * of the same host and exports merge: subsets add up, the oldest traffic policy stays.
 */
export const destinationRuleOf = query(
  'destination rule',
  (
    snapshot: MeshSnapshot,
    viewer: DestinationRuleViewer,
    service: Pick<Service, 'hostname' | 'namespace'>,
  ): ResolvedDestinationRule | undefined => {
    const { rootNamespace } = snapshot;
    // What a client in the root namespace takes before the service's own are rules that only that namespace sees.
    const own = mostSpecific(snapshot, viewer.namespace === rootNamespace ? 'root' : 'local', viewer.namespace, service.hostname);
    if (own.length > 0) return choose(own, viewer);
    for (const place of new Set([service.namespace, rootNamespace])) {
      const exported = mostSpecific(snapshot, 'exported', place, service.hostname).filter(({ exportTo }) =>
        exportTo.length === 0 ? true : exportTo.includes('*') || exportTo.includes(viewer.namespace),
      );
      if (exported.length > 0) return choose(exported, viewer);
    }
    return undefined;
  },
  // What merging gives depends on the objects alone.
  { same: (a, b) => a === b || (a !== undefined && b !== undefined && sameList(a.sources, b.sources)) },
);

/** Rules of one host that are one. */
interface MergedRule {
  /** As written; a rule for some workloads is its namespace's own affair. */
  readonly exportTo: readonly string[];
  readonly selector?: Labels;
  trafficPolicy?: TrafficPolicy;
  readonly subsets: Subset[];
  readonly sources: [DestinationRule, ...DestinationRule[]];
}

/** The first that selects the workload, else the last for everybody. */
function choose(rules: readonly MergedRule[], viewer: DestinationRuleViewer): ResolvedDestinationRule | undefined {
  let broad: MergedRule | undefined;
  for (const rule of rules) {
    if (rule.selector === undefined) broad = rule;
    else if (rule.sources[0].metadata.namespace === viewer.namespace && selects(rule.selector, viewer.labels)) return rule;
  }
  return broad;
}

type Sight = 'local' | 'exported' | 'root';

function mostSpecific(snapshot: MeshSnapshot, sight: Sight, place: string, hostname: string): readonly MergedRule[] {
  const { exact, wildcards } = indexOf(snapshot, sight, place);
  return exact.get(hostname) ?? wildcards.find(({ host }) => hostCovers(host, hostname))?.rules ?? [];
}

/** The rules of a namespace by the host they are for. */
interface HostIndex {
  readonly exact: ReadonlyMap<string, readonly MergedRule[]>;
  /** The most specific first. */
  readonly wildcards: readonly { readonly host: string; readonly rules: readonly MergedRule[] }[];
}

const indexOf = query('destination rules of a namespace', (snapshot: MeshSnapshot, sight: Sight, place: string): HostIndex => {
  const byHost = new Map<string, MergedRule[]>();
  const all = snapshot.config.in('DestinationRule', place);
  const narrow = (rule: DestinationRule) => rule.spec.workloadSelector !== undefined;
  for (const rule of [...all.filter(narrow), ...all.filter((candidate) => !narrow(candidate))]) {
    if (!seenAs(snapshot, sight, place, rule)) continue;
    const host = resolveHost(rule.spec.host, place, snapshot.domain);
    const list = byHost.get(host);
    if (list === undefined) byHost.set(host, [alone(rule)]);
    else add(list, rule);
  }
  const wildcards = [...byHost].filter(([host]) => host.startsWith('*')).map(([host, rules]) => ({ host, rules }));
  return { exact: byHost, wildcards: wildcards.sort((a, b) => compareHosts(a.host, b.host)) };
});

function exportsOf(rule: DestinationRule): readonly string[] {
  return rule.spec.workloadSelector === undefined ? (rule.spec.exportTo ?? []) : ['.'];
}

function seenAs(snapshot: MeshSnapshot, sight: Sight, place: string, rule: DestinationRule): boolean {
  const exports = exportsOf(rule);
  const inside = exports.length === 0 || exports.some((entry) => entry === '*' || entry === '.' || entry === place);
  const defaults = snapshot.mesh.defaultDestinationRuleExportTo ?? ['*'];
  const only = exports.length === 0 ? defaults.includes('.') : exports.length === 1 && (exports[0] === '.' || exports[0] === place);
  switch (sight) {
    case 'local':
      return inside;
    case 'exported':
      return !only;
    case 'root':
      return only;
  }
}

function alone(rule: DestinationRule): MergedRule {
  const { trafficPolicy, subsets = [], workloadSelector } = rule.spec;
  return {
    exportTo: exportsOf(rule),
    ...(workloadSelector === undefined ? {} : { selector: workloadSelector.matchLabels ?? {} }),
    ...(trafficPolicy === undefined ? {} : { trafficPolicy }),
    subsets: [...subsets],
    sources: [rule],
  };
}

/** Adds a rule to those of its host that have the same exports, or fewer; where none has the same it also stands alone. */
function add(list: MergedRule[], rule: DestinationRule): void {
  const incoming = alone(rule);
  let separate = true;
  for (const known of list) {
    const wider = known.exportTo.every((entry) => incoming.exportTo.includes(entry));
    const same = wider && known.exportTo.length === incoming.exportTo.length;
    separate = !same;
    if (!same && (known.exportTo.length === 0 || !wider)) continue;
    if (known.selector !== undefined && incoming.selector !== undefined && !sameLabels(known.selector, incoming.selector)) {
      separate = true;
      continue;
    }
    if ((known.selector === undefined) === (incoming.selector === undefined)) separate = false;
    for (const subset of incoming.subsets) if (!known.subsets.some(({ name }) => name === subset.name)) known.subsets.push(subset);
    if (known.trafficPolicy === undefined && incoming.trafficPolicy !== undefined) known.trafficPolicy = incoming.trafficPolicy;
    known.sources.push(rule);
  }
  if (separate) list.push(incoming);
}

function sameLabels(a: Labels, b: Labels): boolean {
  return Object.keys(a).length === Object.keys(b).length && selects(a, b);
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

/**
 * The TLS mode that a rule asks for on a port, in which callers know whether endpoints speak mTLS: of the subset, else of the
 * rule; in each the port's own, else the general one. Undefined: the mesh decides.
 */
export function tlsModeOf(
  rule: Pick<ResolvedDestinationRule, 'trafficPolicy'> | undefined,
  subset: Subset | undefined,
  port: number,
): NonNullable<NonNullable<TrafficPolicy['tls']>['mode']> | undefined {
  const tls = (policy: TrafficPolicy | undefined) =>
    policy?.portLevelSettings?.find((entry) => entry.port?.number === port && entry.tls !== undefined)?.tls ?? policy?.tls;
  const found = tls(subset?.trafficPolicy) ?? tls(rule?.trafficPolicy);
  return found === undefined ? undefined : (found.mode ?? 'DISABLE');
}
