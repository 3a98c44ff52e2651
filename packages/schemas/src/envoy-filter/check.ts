import { FindingList, type Findings } from '../findings.ts';
import type { ConfigObject } from '../object.ts';
import { checkLabelSelector } from '../values/labels.ts';
import { checkOneOf } from '../values/one-of.ts';
import { compiles } from '../values/regular-expression.ts';
import type { EnvoyFilterPatch, EnvoyFilterSpec } from './spec.ts';

type Path = readonly PropertyKey[];
type ListenerMatch = NonNullable<NonNullable<EnvoyFilterPatch['match']>['listener']>;

const MAX_VERSION = 1024;
const MATCHES = ['listener', 'routeConfiguration', 'cluster'] as const;
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
  if (match?.context === 'WAYPOINT') return;
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
  checkTypes(value, [...path, 'patch', 'value'], findings);
  const version = match?.proxy?.proxyVersion ?? '';
  if (version.length > MAX_VERSION)
    findings.warning([...path, 'match', 'proxy', 'proxyVersion'], `longer than ${MAX_VERSION} characters: every version matches`);
  else findings.refuse([...path, 'match', 'proxy', 'proxyVersion'], compiles(version));
  const wanted = MATCH_OF[applyTo];
  const given = MATCHES.find((field) => match?.[field] !== undefined);
  if (wanted !== undefined && given !== undefined && given !== wanted)
    findings.error([...path, 'match', given], `${applyTo} is matched by ${wanted}, not by ${given}`);
  else if (wanted === 'listener')
    checkFilterMatch(applyTo, match?.listener?.filterChain, [...path, 'match', 'listener', 'filterChain'], findings);
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
  if (subFilter === undefined) return;
  if (applyTo !== 'HTTP_FILTER') findings.error([...at, 'subFilter'], 'needs applyTo HTTP_FILTER');
  else if (!CONNECTION_MANAGERS.has(name))
    findings.error([...at, 'name'], `"${name}" has no filters below it; write envoy.filters.network.http_connection_manager`);
  else if ((subFilter.name ?? '') === '') findings.error([...at, 'subFilter', 'name'], 'must be set');
}

/** Packages of the types that Envoy configurations are made of; those of version 2 are gone. */
const KNOWN_TYPE =
  /^(?:[^/]*\/)?(?:envoy\.(?:admin|annotations|config|data|extensions|http|service|type|watchdog)\.(?:[a-z0-9_]+\.)*v\d(?:alpha|beta)?\d*\.|google\.protobuf\.|xds\.|udpa\.|istio\.|stats\.)/;

/** The types that a value names by `@type`, at any depth. */
function checkTypes(value: unknown, path: Path, findings: FindingList): void {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, entry] of Object.entries(value)) {
    const at = [...path, Array.isArray(value) ? Number(key) : key];
    if (key !== '@type') checkTypes(entry, at, findings);
    else if (typeof entry !== 'string' || !KNOWN_TYPE.test(entry)) findings.error(at, `${JSON.stringify(entry)} is no type of Envoy`);
    else if (/\.v2\w*\./.test(entry)) findings.error(at, `"${entry}" is of the API that Envoy no longer has; write its v3 type`);
  }
}
