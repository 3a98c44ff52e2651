import { FindingList, type Findings } from '../findings.ts';
import type { ConfigObject } from '../object.ts';
import { checkLabelSelector } from '../values/labels.ts';
import { checkOneOf } from '../values/one-of.ts';
import { compiles } from '../values/regular-expression.ts';
import { CURRENT_FILTER_NAMES } from './filter-names.ts';
import { checkPatchValue } from './patch-value.ts';
import type { EnvoyFilterPatch, EnvoyFilterSpec } from './spec.ts';

type Path = readonly PropertyKey[];
type ListenerMatch = NonNullable<NonNullable<EnvoyFilterPatch['match']>['listener']>;

const MAX_VERSION = 1024;
const MATCHES = ['listener', 'routeConfiguration', 'cluster', 'waypoint'] as const;
const CONNECTION_MANAGERS: ReadonlySet<string> = new Set([
  'envoy.filters.network.http_connection_manager',
  'envoy.http_connection_manager',
]);

/** What of a match each kind of object is found by; what is not listed takes any. */
const MATCH_OF: Readonly<Partial<Record<EnvoyFilterPatch['applyTo'], (typeof MATCHES)[number]>>> = {
  LISTENER: 'listener',
  FILTER_CHAIN: 'listener',
  NETWORK_FILTER: 'listener',
  HTTP_FILTER: 'listener',
  ROUTE_CONFIGURATION: 'routeConfiguration',
  VIRTUAL_HOST: 'routeConfiguration',
  HTTP_ROUTE: 'routeConfiguration',
  CLUSTER: 'cluster',
};

export function checkEnvoyFilter({ spec }: ConfigObject<EnvoyFilterSpec>): Findings {
  const findings = new FindingList();
  findings.warning(['spec'], 'EnvoyFilter changes what the mesh generates, which may change with any version; prefer the other kinds');
  if (spec.workloadSelector !== undefined)
    checkLabelSelector(spec.workloadSelector.labels, ['spec', 'workloadSelector', 'labels'], findings);
  for (const [index, patch] of (spec.configPatches ?? []).entries()) checkPatch(patch, ['spec', 'configPatches', index], findings);
  return findings;
}

function checkPatch({ applyTo, match, patch }: EnvoyFilterPatch, path: Path, findings: FindingList): void {
  checkOneOf(match, MATCHES, [...path, 'match'], findings);
  if (match?.context === 'WAYPOINT') {
    for (const field of ['listener', 'routeConfiguration'] as const)
      if (match[field] !== undefined) findings.error([...path, 'match', field], 'cannot stand with context WAYPOINT; write waypoint');
    return;
  }
  if (match?.waypoint !== undefined) findings.error([...path, 'match', 'waypoint'], 'needs context WAYPOINT');
  if (match?.listener?.filterChain?.transportSocket !== undefined)
    findings.warning([...path, 'match', 'listener', 'filterChain', 'transportSocket'], 'has no effect yet');
  if (applyTo === 'INVALID') {
    findings.error([...path, 'applyTo'], 'must be set');
    return;
  }
  if (patch === undefined) {
    findings.error([...path, 'patch'], 'required field is missing');
    return;
  }
  const { operation = 'INVALID', value } = patch;
  if (operation === 'INVALID') {
    findings.error([...path, 'patch', 'operation'], 'must be set');
    return;
  }
  if (operation !== 'REMOVE' && value === undefined) {
    findings.error([...path, 'patch', 'value'], `must be set with operation ${operation}`);
    return;
  }
  const at = [...path, 'match', 'proxy', 'proxyVersion'];
  const version = match?.proxy?.proxyVersion ?? '';
  if (version.length > MAX_VERSION) findings.warning(at, `longer than ${MAX_VERSION} characters: every version matches`);
  else findings.refuse(at, compiles(version));
  const wanted = MATCH_OF[applyTo];
  const given = MATCHES.find((field) => match?.[field] !== undefined);
  if (wanted !== undefined && given !== undefined && given !== wanted)
    findings.error([...path, 'match', given], `${applyTo} is matched by ${wanted}, not by ${given}`);
  else if (wanted === 'listener')
    checkFilterMatch(applyTo, match?.listener?.filterChain, [...path, 'match', 'listener', 'filterChain'], findings);
  if (value !== undefined) checkPatchValue(applyTo, value, [...path, 'patch', 'value'], findings);
}

function checkFilterMatch(
  applyTo: EnvoyFilterPatch['applyTo'],
  chain: ListenerMatch['filterChain'],
  path: Path,
  findings: FindingList,
): void {
  const filter = chain?.filter;
  if (filter === undefined) return;
  const at = [...path, 'filter'];
  if (applyTo === 'LISTENER' || applyTo === 'FILTER_CHAIN') findings.warning(at, `has no effect with applyTo ${applyTo}`);
  const { name = '', subFilter } = filter;
  if (name === '') {
    findings.error([...at, 'name'], 'must be set');
    return;
  }
  warnOfName(name, [...at, 'name'], findings);
  warnOfName(subFilter?.name ?? '', [...at, 'subFilter', 'name'], findings);
  if (subFilter === undefined) return;
  if (applyTo !== 'HTTP_FILTER') findings.error([...at, 'subFilter'], 'needs applyTo HTTP_FILTER');
  else if (!CONNECTION_MANAGERS.has(name))
    findings.error([...at, 'name'], `"${name}" has no filters below it; write envoy.filters.network.http_connection_manager`);
  else if ((subFilter.name ?? '') === '') findings.error([...at, 'subFilter', 'name'], 'must be set');
}

function warnOfName(name: string, path: Path, findings: FindingList): void {
  const current = Object.hasOwn(CURRENT_FILTER_NAMES, name) ? CURRENT_FILTER_NAMES[name] : undefined;
  if (current !== undefined) findings.warning(path, `"${name}" is the former name of ${current}`);
}
