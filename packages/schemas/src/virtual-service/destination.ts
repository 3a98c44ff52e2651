import type { FindingList } from '../findings.ts';
import { dnsLabel, wildcardDomain } from '../values/names.ts';
import type { Destination, RouteDestination } from './spec.ts';

type Path = readonly PropertyKey[];

export function checkDestination(destination: Destination | undefined, path: Path, findings: FindingList): void {
  if (destination === undefined) return;
  const { host, subset = '' } = destination;
  findings.refuse([...path, 'host'], host === '*' ? '"*" is no destination; name a host' : wildcardDomain(host));
  if (subset !== '') findings.refuse([...path, 'subset'], dnsLabel(subset));
}

/** Destinations that share the traffic of a route by weight. */
export function checkWeights(routes: readonly RouteDestination[], path: Path, findings: FindingList): void {
  for (const [index, { weight = 0 }] of routes.entries())
    if (weight < 0) findings.error([...path, index, 'weight'], `${weight} is negative`);
  const total = routes.reduce((sum, { weight = 0 }) => sum + weight, 0);
  if (routes.length > 1 && total === 0) findings.error(path, 'the weights add up to 0: no destination would get traffic');
}
