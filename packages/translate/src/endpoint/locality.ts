import type { Endpoint, Labels, Locality, MeshSnapshot, Service } from '@xebec/model';
import type { LoadBalancer, TrafficPolicy } from '@xebec/schemas';

export interface LocalityGroup {
  readonly locality: Locality;
  readonly endpoints: readonly Endpoint[];
  readonly weight: number;
  readonly priority: number;
}

interface Group {
  readonly locality: Locality;
  readonly endpoints: readonly Endpoint[];
}

/** What locality balancing knows of the client. */
export interface LocalityClient {
  readonly locality: Locality;
  readonly labels: Labels;
  readonly network: string;
}

/** What a rule and the mesh ask for in all. */
export interface LocalityBalancing {
  readonly setting: LoadBalancer['localityLbSetting'];
  readonly zones?: LoadBalancer['zoneAwareLbSetting'];
  /** Outlier detection is on: without it nobody knows when to go elsewhere. */
  readonly failover: boolean;
  /** What is not ready is left out, because panic routing would call it. */
  readonly onlyReady?: boolean;
}

const NETWORK = 'topology.istio.io/network';
const REGION = 'topology.kubernetes.io/region';
const ZONE = 'topology.kubernetes.io/zone';
const SUBZONE = 'topology.istio.io/subzone';
const NEARNESS = [NETWORK, REGION, ZONE];

/**
 * Whether endpoints that are not ready stay unknown to callers: where a rule (not the mesh) has Envoy call any endpoint once too few are
 * well. Otherwise they are announced as such, so that callers know how many there will be.
 */
export function leavesUnreadyOut(rulePolicy: TrafficPolicy, service: Pick<Service, 'trafficDistribution'>): boolean {
  return service.trafficDistribution === undefined && (rulePolicy.outlierDetection?.minHealthPercent ?? 0) > 0;
}

/** What the traffic policy of a cluster, its service and the mesh ask for together: the first that says anything. */
export function localityBalancing(
  policy: TrafficPolicy,
  snapshot: Pick<MeshSnapshot, 'mesh'>,
  service: Pick<Service, 'trafficDistribution'>,
): LocalityBalancing {
  const zones = policy.loadBalancer?.zoneAwareLbSetting;
  const own = policy.loadBalancer?.localityLbSetting;
  if (zones === undefined && own === undefined && service.trafficDistribution !== undefined) {
    const failoverPriority = service.trafficDistribution === 'zone' ? NEARNESS : [...NEARNESS, SUBZONE, 'kubernetes.io/hostname'];
    return { setting: { failoverPriority }, failover: true };
  }
  return {
    setting: own ?? snapshot.mesh.localityLbSetting,
    ...(zones === undefined ? {} : { zones }),
    failover: policy.outlierDetection !== undefined,
  };
}

/**
 * Weights and priorities of localities for one client.
 *
 * `distribute` splits by the weights of the first rule that matches the client's locality. Otherwise, with outlier
 * detection on, endpoints come in priorities: by the labels of `failoverPriority`, or by nearness (same subzone, zone,
 * region, then the failover region, then the rest).
 */
export function prioritise(groups: readonly Group[], client: LocalityClient, balancing: LocalityBalancing): LocalityGroup[] {
  const { setting, zones } = balancing;
  const weighed = groups.map((group) => ({ ...group, weight: weightOf(group.endpoints), priority: 0 }));
  if (zones !== undefined) {
    if (zones.enabled === false) return weighed;
    const labelled = byLabels(weighed, client, zones.failoverPriority ?? []);
    return compact(
      labelled.map((group) => ({ ...group, priority: group.priority * 3 + regional(group.locality, client, zones.failover) })),
    );
  }
  if (setting?.enabled === false) return weighed;
  if (setting?.distribute !== undefined) {
    const rule = setting.distribute.find((entry) => localityMatches(entry.from, client.locality));
    return rule === undefined ? weighed : distribute(weighed, rule.to);
  }
  if (!balancing.failover) return weighed;
  const next = setting?.failover?.find((entry) => entry.from === client.locality.region)?.to;
  const near = (group: LocalityGroup) => ({ ...group, priority: group.priority * 5 + distance(group.locality, client.locality, next) });
  const labels = setting?.failoverPriority ?? [];
  if (labels.length === 0 || Object.keys(client.labels).length === 0) return compact(weighed.map(near));
  const labelled = byLabels(weighed, client, labels);
  return compact((setting?.failover ?? []).length > 0 ? labelled.map(near) : labelled);
}

function weightOf(endpoints: readonly Endpoint[]): number {
  return endpoints.reduce((sum, endpoint) => sum + Math.max(1, endpoint.weight), 0);
}

/**
 * Splits localities by how many of the labels, from the first on, endpoints share with the client. `label=value` stands for
 * a client with that value. Another network, where networks come first, is only ever a last resort.
 */
function byLabels(groups: readonly LocalityGroup[], client: LocalityClient, labels: readonly string[]): LocalityGroup[] {
  const wanted = labels.map((entry) => {
    const [name = '', value] = entry.split('=');
    return { name, value: value ?? labelOf(name, client.labels, client.locality, client.network) };
  });
  const networkFirst = wanted[0]?.name === NETWORK;
  const priorityOf = (endpoint: Endpoint): number => {
    let elsewhere = 0;
    for (const [index, { name, value }] of wanted.entries()) {
      if (labelOf(name, endpoint.labels, endpoint.locality, endpoint.network) === value) continue;
      if (index > 0 || !networkFirst) return labels.length - index + elsewhere;
      elsewhere = labels.length;
    }
    return elsewhere;
  };
  return groups.flatMap((group) => {
    const split = new Map<number, Endpoint[]>();
    for (const endpoint of group.endpoints) {
      const priority = priorityOf(endpoint);
      split.set(priority, [...(split.get(priority) ?? []), endpoint]);
    }
    return [...split.entries()]
      .sort(([a], [b]) => a - b)
      .map(([priority, endpoints]) => ({ ...group, endpoints, priority, weight: weightOf(endpoints) }));
  });
}

/** Where something stands is among its labels, whether or not it is written there. */
function labelOf(name: string, labels: Labels, locality: Locality, network: string): string {
  switch (name) {
    case NETWORK:
      return labels[name] ?? network;
    case REGION:
      return labels[name] ?? locality.region;
    case ZONE:
      return labels[name] ?? locality.zone;
    case SUBZONE:
      return labels[name] ?? locality.subzone;
    default:
      return labels[name] ?? '';
  }
}

/** Zone-aware routing leaves zones to Envoy; other regions come after the client's, the failover region first. */
function regional(
  locality: Locality,
  client: LocalityClient,
  failover: NonNullable<LoadBalancer['zoneAwareLbSetting']>['failover'],
): number {
  if (locality.region === client.locality.region) return 0;
  return failover?.find((entry) => entry.from === client.locality.region)?.to === locality.region ? 1 : 2;
}

/** Localities that no pattern names stay, empty: nothing is sent there. */
function distribute(groups: readonly LocalityGroup[], to: Readonly<Record<string, number>>): LocalityGroup[] {
  const weights = new Map<LocalityGroup, number>();
  // The narrowest pattern first, so that `region/*` shares only what no zone of it took.
  for (const [pattern, percent] of Object.entries(to).sort(([a], [b]) => b.length - a.length)) {
    const members = groups.filter((group) => !weights.has(group) && localityMatches(pattern, group.locality));
    const total = members.reduce((sum, group) => sum + group.weight, 0);
    for (const group of members) weights.set(group, Math.ceil((group.weight * percent) / total));
  }
  return groups.map((group) => {
    const weight = weights.get(group);
    return weight === undefined ? { ...group, endpoints: [] } : { ...group, weight };
  });
}

function localityMatches(pattern: string, locality: Locality): boolean {
  const [region = '', zone = '*', subzone = '*'] = pattern.split('/');
  if (region === '*') return true;
  if (region !== locality.region) return false;
  if (zone === '*') return true;
  if (zone !== locality.zone) return false;
  return subzone === '*' || subzone === locality.subzone;
}

function distance(locality: Locality, client: Locality, failoverRegion: string | undefined): number {
  if (locality.region !== client.region) return failoverRegion === undefined || locality.region === failoverRegion ? 3 : 4;
  if (locality.zone !== client.zone) return 2;
  return locality.subzone === client.subzone ? 0 : 1;
}

/** Envoy wants priorities without gaps. */
function compact(groups: readonly LocalityGroup[]): LocalityGroup[] {
  const used = [...new Set(groups.map((group) => group.priority))].sort((a, b) => a - b);
  return groups.map((group) => ({ ...group, priority: used.indexOf(group.priority) }));
}
