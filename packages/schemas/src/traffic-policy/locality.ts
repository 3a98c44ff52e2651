import type { LoadBalancer } from '../destination-rule/spec.ts';
import type { FindingList } from '../findings.ts';

type Path = readonly PropertyKey[];
type Locality = NonNullable<LoadBalancer['localityLbSetting']>;
type ZoneAware = NonNullable<LoadBalancer['zoneAwareLbSetting']>;
type Failover = NonNullable<Locality['failover']>;

const TOPOLOGY: ReadonlySet<string> = new Set([
  'topology.kubernetes.io/region',
  'topology.kubernetes.io/zone',
  'topology.istio.io/subzone',
]);

/** Where traffic of a locality goes, by weight or when its own endpoints fail. `guarded`: outlier detection finds out that they fail. */
export function checkLocality(setting: Locality | undefined, guarded: boolean, path: Path, findings: FindingList): void {
  const { distribute = [], failover = [], failoverPriority = [] } = setting ?? {};
  if (distribute.length > 0 && failover.length > 0) {
    findings.error(path, 'only one of distribute and failover can be set');
    return;
  }
  const topology = failover.length > 0 ? failoverPriority.findIndex((label) => TOPOLOGY.has(label)) : -1;
  if (topology >= 0) {
    findings.error([...path, 'failoverPriority', topology], `"${failoverPriority[topology]}" cannot stand beside failover`);
    return;
  }
  for (const [index, { from, to }] of distribute.entries()) {
    const at = [...path, 'distribute', index];
    const weights = Object.entries(to);
    for (const [locality, weight] of weights)
      if (weight < 1 || weight > 100) findings.error([...at, 'to', locality], `weight ${weight} is not 1 to 100`);
    const total = weights.reduce((sum, [, weight]) => sum + weight, 0);
    if (total !== 100) findings.error([...at, 'to'], `the weights add up to ${total}, not to 100`);
    findings.refuse([...at, 'to'], overlapping(weights.map(([locality]) => locality)));
    findings.refuse([...at, 'from'], overlapping([from]));
  }
  findings.refuse([...path, 'distribute'], overlapping(distribute.map(({ from }) => from)));
  if (!guarded && failover.length + failoverPriority.length > 0)
    findings.warning(path, 'failover needs outlierDetection: nothing else finds out that endpoints fail');
  checkFailover(failover, [...path, 'failover'], findings);
}

export function checkZoneAware(setting: ZoneAware | undefined, guarded: boolean, path: Path, findings: FindingList): void {
  const { failover = [], failoverPriority = [] } = setting ?? {};
  for (const [index, label] of failoverPriority.entries())
    if (TOPOLOGY.has(label)) findings.error([...path, 'failoverPriority', index], `"${label}" is taken care of; leave it out`);
  if (!guarded && failover.length + failoverPriority.length > 0)
    findings.warning(path, 'failover needs outlierDetection: nothing else finds out that endpoints fail');
  checkFailover(failover, [...path, 'failover'], findings);
}

function checkFailover(failover: Failover, path: Path, findings: FindingList): void {
  for (const [index, { from, to }] of failover.entries()) {
    const at = [...path, index];
    if (from === to) findings.error(at, `"${from}" cannot fail over to itself`);
    if (`${from}${to}`.includes('/')) findings.error(at, 'failover is between regions: name no zone');
    if (`${from}${to}`.includes('*')) findings.error(at, 'failover is between regions: "*" is none');
  }
}

/** What is wrong with `region[/zone[/subzone]]`, each of which may be `*` at the end, or which of them covers another. */
function overlapping(localities: readonly string[]): string | undefined {
  const seen: string[][] = [];
  for (const locality of localities) {
    if (locality.indexOf('*') !== -1 && locality.indexOf('*') !== locality.length - 1) return `"${locality}": "*" stands once, at the end`;
    const [region = '', zone, ...rest] = locality.split('/');
    const subzone = rest.length === 0 ? undefined : rest.join('/');
    const parts = [region, zone, subzone].filter((part) => part !== undefined);
    if (parts.includes('')) return `"${locality}" has an empty region, zone or subzone`;
    if (seen.some((other) => covers(other, parts))) return `"${locality}" overlaps with another locality`;
    seen.push(parts);
  }
  return undefined;
}

/** Whether what was written before takes the locality already, or is a part of it. */
function covers(earlier: readonly string[], later: readonly string[]): boolean {
  if (earlier[0] === '*') return true;
  const shared = Math.min(earlier.length, later.length);
  for (let index = 0; index < shared; index++) {
    if (earlier[index] === later[index]) continue;
    return index > 0 && earlier[index] === '*';
  }
  return true;
}
