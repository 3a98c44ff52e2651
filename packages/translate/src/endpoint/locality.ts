import type { Endpoint, Locality } from '@xebec/model';
import type { LoadBalancer } from '@xebec/schemas';

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

/**
 * Weights and priorities of localities for one client.
 *
 * `distribute` splits by the weights of the first rule that matches the client's locality. Otherwise, with outlier
 * detection on, endpoints come in priorities by nearness: same subzone, zone, region, then the rest.
 */
export function prioritise(
  groups: readonly Group[],
  client: Locality,
  setting: LoadBalancer['localityLbSetting'],
  failover: boolean,
): LocalityGroup[] {
  const weighed = groups.map((group) => ({
    ...group,
    weight: group.endpoints.reduce((sum, endpoint) => sum + Math.max(1, endpoint.weight), 0),
    priority: 0,
  }));
  if (setting?.enabled === false) return weighed;
  const rule = setting?.distribute?.find((entry) => localityMatches(entry.from, client));
  if (rule !== undefined) return distribute(weighed, rule.to);
  if (!failover || client.region === '') return weighed;
  const next = setting?.failover?.find((entry) => entry.from === client.region)?.to;
  return compact(weighed.map((group) => ({ ...group, priority: distance(group.locality, client, next) })));
}

function distribute(groups: readonly LocalityGroup[], to: Readonly<Record<string, number>>): LocalityGroup[] {
  const out: LocalityGroup[] = [];
  const taken = new Set<LocalityGroup>();
  // The narrowest pattern first, so that `region/*` shares only what no zone of it took.
  for (const [pattern, percent] of Object.entries(to).sort(([a], [b]) => b.length - a.length)) {
    const members = groups.filter((group) => !taken.has(group) && localityMatches(pattern, group.locality));
    const total = members.reduce((sum, group) => sum + group.weight, 0);
    for (const group of members) {
      taken.add(group);
      const weight = Math.round((group.weight * percent) / total);
      if (weight > 0) out.push({ ...group, weight });
    }
  }
  return out;
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
