import { isHttp, isTls, parseProtocol } from '@xebec/model';
import type { Analyzer } from '../../analyzer.ts';
import { type Fields, given, integer, record, records, stringMap, text, texts } from '../../fields.ts';
import type { AnalysedKind } from '../../resource.ts';

/** Says what a valid object probably does not mean; `path` is the field. */
type Warn = (problem: string, path?: string) => void;
type Check = (spec: Fields, warn: Warn, namespace: string) => void;

const LARGE_BODY_BYTES = 100 * 1024;

const gateway: Check = (spec, warn) => {
  for (const [index, server] of records(spec['servers']).entries()) {
    const tls = record(server['tls']);
    const path = `spec.servers[${index}].tls`;
    if (tls['httpsRedirect'] === true && !isHttp(parseProtocol(text(record(server['port'])['protocol']))))
      warn('tls.httpsRedirect should only be used with http servers', `${path}.httpsRedirect`);
    serverTls(tls, warn, path);
  }
};

function serverTls(tls: Fields, warn: Warn, path: string): void {
  const mode = text(tls['mode']);
  const minimum = text(tls['minProtocolVersion']);
  const ciphers = texts(tls['cipherSuites']);
  if ((minimum === 'TLSV1_0' || minimum === 'TLSV1_1') && ciphers.length === 0)
    warn('TLS version below TLSV1_2 require setting compatible ciphers as by default they no longer include compatible ciphers.', path);
  const repeated = [...new Set(ciphers.filter((cipher, index) => ciphers.indexOf(cipher) !== index))].sort();
  if (repeated.length > 0) warn(`ignoring duplicate cipher suites: [${repeated.join(' ')}]`, `${path}.cipherSuites`);
  const fields = ['caCrl', 'serverCertificate', 'privateKey', 'caCertificates', 'credentialName'];
  const certificates = [...fields.map((field) => text(tls[field])), ...records(tls['tlsCertificates']), ...texts(tls['credentialNames'])];
  if (mode.endsWith('PASSTHROUGH') && certificates.some((one) => one !== ''))
    warn(`${mode} mode does not use certificates, they will be ignored`, path);
  if (records(tls['tlsCertificates']).length > 2 && ['SIMPLE', 'MUTUAL', 'OPTIONAL_MUTUAL'].includes(mode))
    warn(`${mode === 'SIMPLE' ? 'SIMPLE' : 'MUTUAL'} TLS can support up to 2 server certificates`, `${path}.tlsCertificates`);
}

const emptySelector =
  (what: string): Check =>
  (spec, warn) => {
    const selector = given(spec['workloadSelector']);
    if (selector !== undefined && Object.keys(stringMap(selector['labels'])).length === 0)
      warn(`${what}: workload selector specified without labels, will be applied to all services in namespace`, 'spec.workloadSelector');
  };

const sidecar: Check = (spec, warn, namespace) => {
  emptySelector('sidecar')(spec, warn, namespace);
  for (const [index, ingress] of records(spec['ingress']).entries()) {
    const port = record(ingress['port']);
    if (given(record(ingress['connectionPool'])['http']) === undefined || isHttp(parseProtocol(text(port['protocol'])))) continue;
    const named = `${integer(port['number'])} (${JSON.stringify(text(port['name']))})`;
    warn(
      `sidecar: HTTP connection pool settings are configured for port ${named} but its protocol is not HTTP (${text(port['protocol'])}); only TCP settings will apply`,
      `spec.ingress[${index}].connectionPool.http`,
    );
  }
  for (const [index, egress] of records(spec['egress']).entries()) egressHosts(texts(egress['hosts']), warn, namespace, index);
};

function egressHosts(hosts: readonly string[], warn: Warn, namespace: string, index: number): void {
  const seen = new Map<string, Set<string>>();
  for (const [position, host] of hosts.entries()) {
    const slash = host.indexOf('/');
    if (slash < 0 || host.startsWith('~')) continue;
    const scope = host.slice(0, slash) === '.' ? namespace : host.slice(0, slash);
    const name = host.slice(slash + 1);
    const names = seen.get(scope) ?? new Set<string>();
    seen.set(scope, names);
    if (name === '*' ? names.size > 0 : names.has(name) || names.has('*'))
      warn(`duplicated egress host: ${host}`, `spec.egress[${index}].hosts[${position}]`);
    names.add(name);
  }
  if (seen.get('*')?.has('*') === true && seen.size > 1)
    warn('`*/*` host select all resources, no other hosts can be added', `spec.egress[${index}].hosts`);
}

const destinationRule: Check = (spec, warn) => {
  const policies = [
    { policy: record(spec['trafficPolicy']), path: 'spec.trafficPolicy' },
    ...records(spec['subsets']).map((subset, i) => ({ policy: record(subset['trafficPolicy']), path: `spec.subsets[${i}].trafficPolicy` })),
  ].flatMap(({ policy, path }) => [
    { policy, path },
    ...records(policy['portLevelSettings']).map((port, i) => ({ policy: port, path: `${path}.portLevelSettings[${i}]` })),
  ]);
  for (const { policy, path } of policies) {
    if (integer(record(policy['outlierDetection'])['consecutiveErrors']) !== 0)
      warn(
        'outlier detection consecutive errors is deprecated, use consecutiveGatewayErrors or consecutive5xxErrors instead',
        `${path}.outlierDetection.consecutiveErrors`,
      );
    if (integer(record(record(policy['loadBalancer'])['consistentHash'])['minimumRingSize']) !== 0)
      warn(
        "consistent hash MinimumRingSize is deprecated, use ConsistentHashLB's RingHash configuration instead",
        `${path}.loadBalancer.consistentHash.minimumRingSize`,
      );
  }
};

const HTTP_SOURCE = ['requestPrincipals', 'notRequestPrincipals'];
const HTTP_OPERATION = ['hosts', 'notHosts', 'methods', 'notMethods', 'paths', 'notPaths'];
const hasAny = (holder: Fields, fields: readonly string[]): boolean => fields.some((field) => texts(holder[field]).length > 0);

const authorizationPolicy: Check = (spec, warn) => {
  if (text(spec['action']) !== 'DENY') return;
  for (const [index, rule] of records(spec['rules']).entries()) {
    const sources = records(rule['from']).map((from) => record(from['source']));
    const operations = records(rule['to']).map((to) => record(to['operation']));
    const tcpSource = sources.some((source) => Object.keys(source).some((field) => !HTTP_SOURCE.includes(field)));
    const tcpOperation = operations.some((operation) => hasAny(operation, ['ports', 'notPorts']));
    const httpOnly =
      (sources.length > 0 && operations.length === 0 && !tcpSource) ||
      (operations.length > 0 && !tcpOperation && operations.some((operation) => hasAny(operation, HTTP_OPERATION)));
    if (httpOnly)
      warn(
        'configured AuthorizationPolicy will deny all traffic to TCP ports under its scope due to the use of only HTTP attributes in a DENY rule; it is recommended to explicitly specify the port',
        `spec.rules[${index}]`,
      );
  }
};

const virtualService: Check = (spec, warn) => {
  for (const [index, name] of texts(spec['gateways']).entries()) {
    if (name.includes('/') || !name.includes('.')) continue;
    const [first = '', second = ''] = name.split('.');
    const better = JSON.stringify(`${second}/${first}`);
    warn(
      `using legacy gatewayName format ${JSON.stringify(name)}; prefer the <namespace>/<name> format: ${better}`,
      `spec.gateways[${index}]`,
    );
  }
  for (const [index, rule] of records(spec['http']).entries()) {
    const path = `spec.http[${index}]`;
    if (rule['mirrorPercent'] !== undefined) warn('using deprecated setting "mirrorPercent", use "mirrorPercentage" instead', path);
    const abort = given(record(rule['fault'])['abort']);
    if (abort !== undefined && ['httpStatus', 'grpcStatus', 'http2Error'].every((field) => abort[field] === undefined))
      warn('abort configured, but error type not set', `${path}.fault.abort`);
    const body = record(record(rule['directResponse'])['body']);
    if (text(body['string']).length + text(body['bytes']).length > LARGE_BODY_BYTES)
      warn('large direct_responses may impact control plane performance', `${path}.directResponse.body`);
  }
};

const serviceEntry: Check = (spec, warn, namespace) => {
  emptySelector('service entry')(spec, warn, namespace);
  const resolution = text(spec['resolution']) || 'NONE';
  if (resolution === 'NONE' && given(spec['workloadSelector']) !== undefined)
    warn('workloadSelector should not be set when resolution mode is NONE', 'spec.workloadSelector');
  const hasTcp = records(spec['ports']).some((port) => {
    const protocol = parseProtocol(text(port['protocol']));
    return !isHttp(protocol) && !isTls(protocol) && protocol !== 'udp' && text(port['protocol']) !== '';
  });
  if (texts(spec['hosts']).length > 1 && texts(spec['addresses']).length > 0 && hasTcp && ['DNS', 'DNS_ROUND_ROBIN'].includes(resolution))
    warn('service entry can not have more than one host specified simultaneously with address and tcp port', 'spec.hosts');
};

const telemetry: Check = (spec, warn) => {
  const tracing = records(spec['tracing']);
  if (tracing.length > 1) warn('multiple tracing is not currently supported', 'spec.tracing');
  for (const [index, entry] of tracing.entries())
    if (records(entry['providers']).length > 1) warn('multiple providers is not currently supported', `spec.tracing[${index}].providers`);
};

const envoyFilter: Check = (spec, warn) => {
  warn(
    'EnvoyFilter exposes internal implementation details that may change at any time. Prefer other APIs if possible, and exercise extreme caution, especially around upgrades.',
  );
  const selector = given(spec['workloadSelector']);
  if (selector !== undefined && Object.keys(stringMap(selector['labels'])).length === 0)
    warn('Envoy filter: workload selector specified without labels, will be applied to all services in namespace', 'spec.workloadSelector');
};

const workloadEntry: Check = (spec, warn) => {
  if (text(spec['address']) === '' && text(spec['network']) !== '')
    warn(`address is unset with network ${JSON.stringify(text(spec['network']))}`, 'spec.network');
};

const CHECKS: readonly (readonly [AnalysedKind, Check])[] = [
  ['Gateway', gateway],
  ['Sidecar', sidecar],
  ['DestinationRule', destinationRule],
  ['AuthorizationPolicy', authorizationPolicy],
  ['VirtualService', virtualService],
  ['ServiceEntry', serviceEntry],
  ['Telemetry', telemetry],
  ['EnvoyFilter', envoyFilter],
  ['WorkloadEntry', workloadEntry],
];

/** IST0133: what validation warns of. */
export const schemaWarnings: readonly Analyzer[] = CHECKS.map(([kind, check]) => ({
  name: `schema.ValidationAnalyzer.${kind}`,
  description: `Runs schema validation as an analyzer on '${kind}' resources`,
  inputs: [kind],
  codes: ['IST0133'],
  analyze(view, report) {
    for (const resource of view.all(kind))
      check(resource.spec, (problem, path) => report('IST0133', resource, [problem], path), resource.namespace);
  },
}));
