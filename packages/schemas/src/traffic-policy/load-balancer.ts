import type { LoadBalancer } from '../destination-rule/spec.ts';
import type { FindingList } from '../findings.ts';
import { checkOneOf } from '../values/one-of.ts';
import { checkDuration } from './connection-pool.ts';
import { checkLocality, checkZoneAware } from './locality.ts';

type Path = readonly PropertyKey[];
type ConsistentHash = NonNullable<LoadBalancer['consistentHash']>;

/** Envoy's largest Maglev table. */
const MAGLEV_LIMIT = 5_000_011;

export function checkLoadBalancer(settings: LoadBalancer | undefined, guarded: boolean, path: Path, findings: FindingList): void {
  if (settings === undefined) return;
  checkOneOf(settings, ['simple', 'consistentHash', 'backendUtilization'], path, findings);
  if (settings.backendUtilization !== undefined) findings.warning([...path, 'backendUtilization'], 'has no effect yet');
  checkConsistentHash(settings.consistentHash, [...path, 'consistentHash'], findings);
  if (settings.localityLbSetting !== undefined && settings.zoneAwareLbSetting !== undefined)
    findings.error(path, 'only one of localityLbSetting and zoneAwareLbSetting can be set');
  checkLocality(settings.localityLbSetting, guarded, [...path, 'localityLbSetting'], findings);
  checkZoneAware(settings.zoneAwareLbSetting, guarded, [...path, 'zoneAwareLbSetting'], findings);
  const { warmup } = settings;
  if (warmup === undefined) return;
  const at = [...path, 'warmup'];
  if (warmup.duration === undefined) findings.error([...at, 'duration'], 'required field is missing');
  checkDuration(warmup.duration, [...at, 'duration'], findings);
  if ((warmup.minimumPercent ?? 0) > 100) findings.error([...at, 'minimumPercent'], `${warmup.minimumPercent} is more than 100`);
  if (warmup.aggression !== undefined && warmup.aggression <= 0)
    findings.error([...at, 'aggression'], `${warmup.aggression} is not greater than 0`);
}

function checkConsistentHash(hash: ConsistentHash | undefined, path: Path, findings: FindingList): void {
  if (hash === undefined) return;
  checkOneOf(hash, ['httpHeaderName', 'httpCookie', 'useSourceIp', 'httpQueryParameterName'], path, findings);
  checkOneOf(hash, ['ringHash', 'maglev'], path, findings);
  if (hash.httpCookie !== undefined) {
    if ((hash.httpCookie.name ?? '') === '') findings.error([...path, 'httpCookie', 'name'], 'must not be empty');
    const names = new Set<string>();
    for (const [index, { name }] of (hash.httpCookie.attributes ?? []).entries()) {
      const at = [...path, 'httpCookie', 'attributes', index, 'name'];
      if (name === '') findings.error(at, 'must not be empty');
      else if (names.has(name)) findings.error(at, `"${name}" stands twice`);
      names.add(name);
    }
  }
  if ((hash.minimumRingSize ?? 0) !== 0) {
    findings.warning([...path, 'minimumRingSize'], 'is deprecated; write ringHash.minimumRingSize');
    if (hash.ringHash !== undefined || hash.maglev !== undefined)
      findings.error([...path, 'minimumRingSize'], 'cannot stand beside ringHash or maglev');
  }
  if (hash.maglev === undefined) return;
  const at = [...path, 'maglev', 'tableSize'];
  const size = hash.maglev.tableSize ?? 0;
  if (size === 0) findings.error(at, 'must be set');
  else if (size >= MAGLEV_LIMIT) findings.error(at, `${size} is not less than ${MAGLEV_LIMIT}`);
  else if (!isPrime(size)) findings.error(at, `${size} is not a prime number`);
}

/** 1 counts as one, as Istio has it. */
function isPrime(value: number): boolean {
  if (value < 4) return true;
  if (value % 2 === 0) return false;
  for (let factor = 3; factor * factor <= value; factor += 2) if (value % factor === 0) return false;
  return true;
}
