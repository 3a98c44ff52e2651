import { FindingList, type Findings } from '../findings.ts';
import type { ConfigObject } from '../object.ts';
import { checkDryRun, checkScope } from '../policy-scope.ts';
import { checkOfKey } from './condition-key.ts';
import type { AuthorizationOperation, AuthorizationPolicySpec, AuthorizationRule, AuthorizationSource } from './spec.ts';
import { address, notEmpty, path as pathCheck, port, serviceAccount, trustDomain, type ValueCheck } from './values.ts';

type Path = readonly PropertyKey[];

const MAX_ACCOUNTS = 16;

const SOURCE_CHECKS: Readonly<Record<keyof AuthorizationSource, ValueCheck>> = {
  principals: notEmpty,
  notPrincipals: notEmpty,
  requestPrincipals: notEmpty,
  notRequestPrincipals: notEmpty,
  namespaces: notEmpty,
  notNamespaces: notEmpty,
  serviceAccounts: serviceAccount,
  notServiceAccounts: serviceAccount,
  ipBlocks: address,
  notIpBlocks: address,
  remoteIpBlocks: address,
  notRemoteIpBlocks: address,
  trustDomains: trustDomain,
  notTrustDomains: trustDomain,
};

const OPERATION_CHECKS: Readonly<Record<keyof AuthorizationOperation, ValueCheck>> = {
  hosts: notEmpty,
  notHosts: notEmpty,
  ports: port,
  notPorts: port,
  methods: notEmpty,
  notMethods: notEmpty,
  paths: pathCheck,
  notPaths: pathCheck,
};

/** Identity of the caller: an external authorizer is asked before it is known whether a token is good, and for requests alone. */
const NOT_FOR_CUSTOM: ReadonlySet<string> = new Set([
  'principals',
  'notPrincipals',
  'requestPrincipals',
  'notRequestPrincipals',
  'namespaces',
  'notNamespaces',
  'serviceAccounts',
  'notServiceAccounts',
  'trustDomains',
  'notTrustDomains',
]);
const KEYS_NOT_FOR_CUSTOM: ReadonlySet<string> = new Set([
  'source.namespace',
  'source.serviceAccount',
  'source.trustDomain',
  'source.principal',
]);

/** What of a source a proxy can tell on a TCP connection; the rest is of requests. */
const TCP_SOURCE: ReadonlySet<string> = new Set([
  'principals',
  'notPrincipals',
  'namespaces',
  'notNamespaces',
  'serviceAccounts',
  'notServiceAccounts',
  'ipBlocks',
  'notIpBlocks',
  'remoteIpBlocks',
  'notRemoteIpBlocks',
]);

/** Rules that say nothing, contradict themselves or cannot be kept: what Istio's admission refuses, refused by field. */
export function checkAuthorizationPolicy({ metadata, spec }: ConfigObject<AuthorizationPolicySpec>): Findings {
  const findings = new FindingList();
  const action = spec.action ?? 'ALLOW';
  const rules = spec.rules ?? [];
  checkDryRun(metadata, { of: action }, findings);
  checkScope(spec, findings);
  if (rules.length === 0 && (action === 'CUSTOM' || action === 'DENY'))
    findings.error(['spec', 'rules'], `${action} without rules never applies; add an empty rule {} for it to apply to every request`);
  if (action === 'CUSTOM' && rules.length > 0 && (spec.provider?.name ?? '') === '')
    findings.error(['spec', 'provider', 'name'], 'must be set with action CUSTOM: one of extensionProviders of the mesh configuration');
  if (action !== 'CUSTOM' && spec.provider !== undefined) findings.error(['spec', 'provider'], `only for action CUSTOM, not for ${action}`);
  for (const [index, rule] of rules.entries()) checkRule(rule, ['spec', 'rules', index], action, findings);
  return findings;
}

function checkRule(rule: AuthorizationRule, path: Path, action: string, findings: FindingList): void {
  const { from = [], to = [], when = [] } = rule;
  for (const [index, { source }] of from.entries()) checkSource(source, [...path, 'from', index, 'source'], action, findings);
  for (const [index, { operation }] of to.entries()) {
    const at = [...path, 'to', index, 'operation'];
    if (filled(operation).length === 0) findings.error(at, 'must not be empty; leave "to" out for every operation');
    checkLists(operation, OPERATION_CHECKS, at, findings);
  }
  for (const [index, condition] of when.entries()) {
    const at = [...path, 'when', index];
    if (condition.key === '') {
      findings.error([...at, 'key'], 'must not be empty');
      continue;
    }
    if (action === 'CUSTOM' && (KEYS_NOT_FOR_CUSTOM.has(condition.key) || condition.key.startsWith('request.auth.')))
      findings.error([...at, 'key'], `"${condition.key}" is not supported with action CUSTOM`);
    const { values = [], notValues = [] } = condition;
    if (values.length + notValues.length === 0) {
      findings.error(at, `at least one of values and notValues must be set for "${condition.key}"`);
      continue;
    }
    const check = checkOfKey(condition.key);
    if (typeof check === 'string') {
      findings.error([...at, 'key'], check);
      continue;
    }
    if (condition.key === 'source.serviceAccount') limitAccounts({ values, notValues }, ['values', 'notValues'], at, findings);
    checkLists({ values, notValues }, { values: check, notValues: check }, at, findings);
  }
  if (action === 'DENY' && deniesAllTcp(rule))
    findings.warning(
      path,
      'a DENY rule of nothing but HTTP attributes denies all connections to TCP ports of its workloads; name the ports it is for (to.operation.ports)',
    );
}

function checkSource(source: AuthorizationSource | undefined, path: Path, action: string, findings: FindingList): void {
  const fields = filled(source);
  if (fields.length === 0) findings.error(path, 'must not be empty; leave "from" out for every caller');
  if (action === 'CUSTOM')
    for (const field of fields) if (NOT_FOR_CUSTOM.has(field)) findings.error([...path, field], 'not supported with action CUSTOM');
  const accounts = fields.filter((field) => /serviceAccounts$/i.test(field));
  const others = fields.filter((field) => /^(?:notP|p)rincipals$|namespaces$/i.test(field));
  if (accounts.length > 0 && others.length > 0)
    findings.error([...path, accounts[0] ?? ''], `cannot stand beside ${others.join(', ')}: accounts say whose they are themselves`);
  limitAccounts({ ...source }, ['serviceAccounts', 'notServiceAccounts'], path, findings);
  checkLists(source, SOURCE_CHECKS, path, findings);
}

function limitAccounts(lists: Readonly<Record<string, unknown>>, fields: readonly string[], path: Path, findings: FindingList): void {
  for (const field of fields) {
    const list = lists[field];
    if (Array.isArray(list) && list.length > MAX_ACCOUNTS)
      findings.error([...path, field], `${list.length} accounts; no more than ${MAX_ACCOUNTS} are taken`);
  }
}

function checkLists<Field extends string>(
  lists: Readonly<Partial<Record<Field, readonly string[] | undefined>>> | undefined,
  checks: Readonly<Record<Field, ValueCheck>>,
  path: Path,
  findings: FindingList,
): void {
  if (lists === undefined) return;
  for (const field in checks)
    for (const [index, value] of (lists[field] ?? []).entries()) {
      const wrong = checks[field](value);
      if (wrong !== undefined) findings.error([...path, field, index], wrong);
    }
}

function filled(lists: Readonly<Record<string, readonly string[] | undefined>> | undefined): string[] {
  return Object.entries(lists ?? {}).flatMap(([field, list]) => (list === undefined || list.length === 0 ? [] : [field]));
}

function deniesAllTcp({ from = [], to = [] }: AuthorizationRule): boolean {
  const tcpTo = to.some(({ operation }) => filled(operation).some((field) => field === 'ports' || field === 'notPorts'));
  if (to.length > 0) return !tcpTo;
  return from.length > 0 && !from.some(({ source }) => filled(source).some((field) => TCP_SOURCE.has(field)));
}
