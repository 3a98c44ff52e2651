import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { CertificateFiles } from '../harness/certificates.ts';
import { address, cluster, httpConnectionManager, httpOptions, listener, type, virtualHost } from '../harness/configuration.ts';
import type { DifferentialCase, DifferentialFamily, Json, Site } from '../harness/family.ts';

const tlsType = 'envoy.extensions.transport_sockets.tls.v3';
const pair = (files: CertificateFiles): Json => ({
  certificate_chain: { filename: files.certificate },
  private_key: { filename: files.key },
});
const ca = (file: string): Json => ({ trusted_ca: { filename: file } });

function upstreamTls(common: Json, more: Json = {}): Json {
  return {
    transport_socket: {
      name: 'envoy.transport_sockets.tls',
      typed_config: { '@type': type(`${tlsType}.UpstreamTlsContext`), common_tls_context: common, ...more },
    },
  };
}

function downstreamTls(common: Json, more: Json = {}): Json {
  return {
    transport_socket: {
      name: 'envoy.transport_sockets.tls',
      typed_config: { '@type': type(`${tlsType}.DownstreamTlsContext`), common_tls_context: common, ...more },
    },
  };
}

function leaf(files: CertificateFiles): X509Certificate {
  return new X509Certificate(readFileSync(files.certificate));
}
const sha256 = (bytes: Buffer): Buffer => createHash('sha256').update(bytes).digest();
const hashOf = (files: CertificateFiles): string => sha256(leaf(files).raw).toString('hex');
const keyOf = (files: CertificateFiles): string => sha256(leaf(files).publicKey.export({ type: 'spki', format: 'der' })).toString('base64');

const san = (sanType: string, matcher: Json): Json => ({ match_typed_subject_alt_names: [{ san_type: sanType, matcher }] });
const spiffe = 'spiffe://cluster.local/ns/default/sa';

/** Validation of the upstream's certificate, each a cluster `v-<name>`. */
function validations({ certificates }: Site): Record<string, Json> {
  const trusted = ca(certificates.ca);
  return {
    ca: trusted,
    none: {},
    'other-ca': ca(certificates.strangerCa),
    'untrusted-accepted': { ...ca(certificates.strangerCa), trust_chain_verification: 'ACCEPT_UNTRUSTED' },
    'dns-exact': { ...trusted, ...san('DNS', { exact: 'server.example' }) },
    'dns-wildcard': { ...trusted, ...san('DNS', { exact: 'one.wild.example' }) },
    'dns-wildcard-deep': { ...trusted, ...san('DNS', { exact: 'two.one.wild.example' }) },
    'dns-prefix': { ...trusted, ...san('DNS', { prefix: 'serv' }) },
    'dns-wrong': { ...trusted, ...san('DNS', { exact: 'nobody.example' }) },
    'dns-case': { ...trusted, ...san('DNS', { exact: 'SERVER.example', ignore_case: true }) },
    'uri-exact': { ...trusted, ...san('URI', { exact: `${spiffe}/server` }) },
    'uri-prefix': { ...trusted, ...san('URI', { prefix: 'spiffe://cluster.local/' }) },
    'uri-suffix': { ...trusted, ...san('URI', { suffix: '/sa/client' }) },
    'uri-regex': { ...trusted, ...san('URI', { safe_regex: { regex: 'spiffe://[^/]+/.*' } }) },
    ip: { ...trusted, ...san('IP_ADDRESS', { exact: '127.0.0.1' }) },
    'ip-wrong': { ...trusted, ...san('IP_ADDRESS', { exact: '127.0.0.2' }) },
    email: { ...trusted, ...san('EMAIL', { exact: 'a@example.com' }) },
    any: { ...trusted, match_subject_alt_names: [{ exact: 'nobody' }, { exact: 'server.example' }] },
    hash: { ...trusted, verify_certificate_hash: [hashOf(certificates.server)] },
    'hash-wrong': { ...trusted, verify_certificate_hash: [hashOf(certificates.other)] },
    'hash-only': { verify_certificate_hash: [hashOf(certificates.server)] },
    'hash-only-wrong': { verify_certificate_hash: [hashOf(certificates.other)] },
    spki: { ...trusted, verify_certificate_spki: [keyOf(certificates.server)] },
    'spki-wrong': { ...trusted, verify_certificate_spki: [keyOf(certificates.other)] },
    'spki-or-hash': {
      ...trusted,
      verify_certificate_spki: [keyOf(certificates.server)],
      verify_certificate_hash: [hashOf(certificates.other)],
    },
  };
}
const validationNames = [
  ...[
    'ca',
    'none',
    'other-ca',
    'untrusted-accepted',
    'dns-exact',
    'dns-wildcard',
    'dns-wildcard-deep',
    'dns-prefix',
    'dns-wrong',
    'dns-case',
  ],
  ...['uri-exact', 'uri-prefix', 'uri-suffix', 'uri-regex', 'ip', 'ip-wrong', 'email', 'any', 'hash', 'hash-wrong', 'hash-only'],
  ...['hash-only-wrong', 'spki', 'spki-wrong', 'spki-or-hash'],
];

/** Other upstream clusters, by name. */
function others(site: Site): Json[] {
  const { certificates } = site;
  const trusted = { validation_context: ca(certificates.ca) };
  const auto = httpOptions({ auto_config: { http2_protocol_options: {} } });
  const sniOptions = (more: Json): Json =>
    httpOptions({ explicit_http_config: { http_protocol_options: {} }, upstream_http_protocol_options: more });
  const to = (name: string, upstream: string, common: Json, more: Json = {}, tls: Json = {}): Json =>
    cluster(name, [site.upstream(upstream)], { ...upstreamTls(common, tls), ...more });
  return [
    to('o-plain', 'a', trusted),
    to('o-echo', 'tcp', trusted),
    to('o-auto-h1', 'secure', trusted, auto),
    to('o-auto-h2', 'secure2', trusted, auto),
    to('o-h2', 'secure2', trusted, httpOptions()),
    to('o-sni', 'secure', trusted, {}, { sni: 'server.example' }),
    to('o-auto-sni', 'secure', trusted, sniOptions({ auto_sni: true, auto_san_validation: true })),
    to('o-versions', 'secure', {
      ...trusted,
      tls_params: { tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_3' },
    }),
    to('o-cipher', 'secure', { ...trusted, tls_params: { cipher_suites: ['ECDHE-ECDSA-AES256-GCM-SHA384'] } }),
    to('o-wrong-cipher', 'secure', { ...trusted, tls_params: { cipher_suites: ['ECDHE-RSA-AES256-GCM-SHA384'] } }),
    to('o-client', 'strict', { ...trusted, tls_certificates: [pair(certificates.client)] }),
    to('o-dead', 'a', trusted, {
      load_assignment: {
        cluster_name: 'o-dead',
        endpoints: [{ lb_endpoints: [{ endpoint: { address: address(site.deadPort) } }] }],
      },
    }),
  ];
}
const otherNames = ['o-plain', 'o-auto-h1', 'o-auto-h2', 'o-h2', 'o-sni', 'o-versions', 'o-cipher', 'o-wrong-cipher', 'o-dead'];

const modes = ['SANITIZE', 'FORWARD_ONLY', 'APPEND_FORWARD', 'SANITIZE_SET', 'ALWAYS_FORWARD_ONLY'];
const details: readonly Json[] = [
  {},
  { subject: true },
  { uri: true },
  { dns: true },
  { subject: true, dns: true, uri: true },
  { cert: true },
  { chain: true },
];

function bootstrap(site: Site): Json {
  const { certificates } = site;
  const clusters = [
    cluster('plain', [site.upstream('a')]),
    ...Object.entries(validations(site)).map(([name, validation]) =>
      cluster(`v-${name}`, [site.upstream('secure')], upstreamTls({ validation_context: validation })),
    ),
    ...others(site),
  ];
  const routes = clusters.map(({ name }) => ({ match: { path_separated_prefix: `/${String(name)}` }, route: { cluster: name } }));
  const rest = { match: { prefix: '/' }, route: { cluster: 'plain' } };
  const manager = (more: Json = {}): Json => httpConnectionManager(site, [virtualHost([...routes, rest])], more);
  const secured = (name: string, tls: Json, more: Json = {}): Json => {
    const base = listener(site, name, [manager(more)]);
    return { ...base, filter_chains: [{ filters: [manager(more)], ...tls }] };
  };
  const server = { tls_certificates: [pair(certificates.server)] };
  const mutual = { ...server, validation_context: ca(certificates.ca) };
  return {
    static_resources: {
      listeners: [
        listener(site, 'http', [manager()]),
        secured('tls', downstreamTls({ ...server, alpn_protocols: ['h2', 'http/1.1'] })),
        secured('optional', downstreamTls(mutual)),
        secured('required', downstreamTls(mutual, { require_client_certificate: true })),
        secured('named', downstreamTls({ ...mutual, validation_context: { ...ca(certificates.ca), ...san('URI', { prefix: spiffe }) } })),
        secured(
          'wrong-name',
          downstreamTls(
            { ...mutual, validation_context: { ...ca(certificates.ca), ...san('URI', { exact: 'spiffe://x' }) } },
            { require_client_certificate: true },
          ),
        ),
        secured(
          'other-ca',
          downstreamTls({ ...server, validation_context: ca(certificates.strangerCa) }, { require_client_certificate: true }),
        ),
        secured(
          'untrusted',
          downstreamTls({
            ...server,
            validation_context: { ...ca(certificates.strangerCa), trust_chain_verification: 'ACCEPT_UNTRUSTED' },
          }),
          { forward_client_cert_details: 'SANITIZE_SET', set_current_client_cert_details: { uri: true } },
        ),
        secured('both', downstreamTls({ tls_certificates: [pair(certificates.server), pair(certificates.other)] })),
        secured('old', downstreamTls({ ...server, tls_params: { tls_maximum_protocol_version: 'TLSv1_2' } })),
        ...modes.map((mode) =>
          secured(`xfcc-${mode}`, downstreamTls(mutual), {
            forward_client_cert_details: mode,
            set_current_client_cert_details: { subject: true, dns: true, uri: true },
          }),
        ),
        ...details.map((detail, i) =>
          secured(`detail-${i}`, downstreamTls(mutual), {
            forward_client_cert_details: 'SANITIZE_SET',
            set_current_client_cert_details: detail,
          }),
        ),
      ],
      clusters,
    },
  };
}

/** Where the handshake fails, so that no request is logged. */
const failing = new Set(['named false', 'required false', 'wrong-name false', 'wrong-name true', 'other-ca false', 'other-ca true']);
const forwarded = 'By=spiffe://a;Hash=abc;URI=spiffe://b';

const cases: DifferentialCase[] = [
  ...validationNames.map((name): DifferentialCase => ({ name: `upstream validation ${name}`, does: { path: `/v-${name}` } })),
  ...otherNames.map(
    (name): DifferentialCase => ({
      name: `upstream ${name}`,
      does: { path: `/${name}` },
      ...(name === 'o-plain' ? { ignoreSeen: true } : {}),
    }),
  ),
  { name: 'upstream SNI from the authority', does: { path: '/o-auto-sni', host: 'server.example' } },
  { name: 'upstream SNI from the authority with a port', does: { path: '/o-auto-sni', host: 'server.example:80' } },
  { name: 'upstream SNI that the certificate is not for', does: { path: '/o-auto-sni', host: 'nobody.example' } },
  ...['tls', 'optional', 'required', 'named', 'wrong-name', 'other-ca', 'untrusted', 'both', 'old'].flatMap((to) =>
    [false, true].map(
      (clientCertificate): DifferentialCase => ({
        name: `downstream ${to} with${clientCertificate ? '' : 'out'} a certificate`,
        does: { to, tls: { servername: 'server.example', clientCertificate } },
        ...(failing.has(`${to} ${clientCertificate}`) ? { logs: 0 } : {}),
      }),
    ),
  ),
  { name: 'certificate by name', does: { to: 'both', tls: { servername: 'other.example' } } },
  { name: 'ALPN h2', does: { kind: 'http2', to: 'tls', tls: { servername: 'server.example', alpn: ['h2'] } } },
  { name: 'ALPN http/1.1', does: { to: 'tls', tls: { servername: 'server.example', alpn: ['http/1.1'] } } },
  { name: 'ALPN of neither', does: { to: 'tls', tls: { servername: 'server.example', alpn: ['spdy/3'] } } },
  { name: 'plain HTTP to a TLS port', does: { kind: 'tcp', to: 'tls', send: 'GET / HTTP/1.1\r\nhost: x\r\n\r\n' }, logs: 0 },
  { name: 'garbage to a TLS port', does: { kind: 'tcp', to: 'tls', send: Buffer.from('16030100051122334455', 'hex') }, logs: 0 },
  ...modes.flatMap((mode) =>
    [false, true].flatMap((clientCertificate) =>
      [false, true].map(
        (header): DifferentialCase => ({
          name: `XFCC ${mode}${clientCertificate ? ' with certificate' : ''}${header ? ' with header' : ''}`,
          does: {
            to: `xfcc-${mode}`,
            tls: { clientCertificate },
            ...(header ? { headers: [['x-forwarded-client-cert', forwarded]] } : {}),
          },
        }),
      ),
    ),
  ),
  ...details.map(
    (detail, i): DifferentialCase => ({
      name: `XFCC details ${Object.keys(detail).join(' ') || 'none'}`,
      does: { to: `detail-${i}`, tls: { clientCertificate: true } },
    }),
  ),
  { name: 'XFCC over plain HTTP', does: { headers: [['x-forwarded-client-cert', forwarded]] } },
];

export const tls: DifferentialFamily = {
  name: 'tls',
  about: 'TLS to upstreams and from clients: validation, pins, names, ALPN, versions, x-forwarded-client-cert, failures and statistics.',
  upstreams: { a: 'http1', tcp: 'tcp', secure: 'https1', secure2: 'https2', strict: 'https1' },
  bootstrap,
  cases,
  stats: [
    ...['v-ca', 'o-sni', 'o-versions', 'o-cipher', 'o-h2'].flatMap((name) => [
      `cluster.${name}.ssl.handshake`,
      `cluster.${name}.ssl.connection_error`,
      `cluster.${name}.ssl.fail_verify_error`,
    ]),
    'cluster.v-ca.ssl.ciphers.ECDHE-ECDSA-AES128-GCM-SHA256',
    'cluster.v-ca.ssl.versions.TLSv1.2',
    'cluster.v-ca.ssl.curves.X25519',
    'cluster.o-versions.ssl.versions.TLSv1.3',
    'cluster.o-cipher.ssl.ciphers.ECDHE-ECDSA-AES256-GCM-SHA384',
    'cluster.v-other-ca.ssl.fail_verify_error',
    'cluster.v-other-ca.ssl.connection_error',
    'cluster.v-untrusted-accepted.ssl.fail_verify_error',
    'cluster.v-untrusted-accepted.ssl.handshake',
    'cluster.v-dns-wrong.ssl.fail_verify_san',
    'cluster.v-hash-wrong.ssl.fail_verify_cert_hash',
    'cluster.v-spki-wrong.ssl.fail_verify_cert_hash',
    'cluster.o-plain.ssl.connection_error',
    'cluster.o-wrong-cipher.ssl.connection_error',
    'cluster.o-dead.ssl.connection_error',
    'cluster.o-dead.upstream_cx_connect_fail',
    'cluster.v-dns-wrong.upstream_cx_connect_fail',
    'cluster.v-dns-wrong.upstream_cx_total',
  ],
  known: {
    'garbage to a TLS port': {
      why: 'the TLS libraries name the same malformed first message by different alerts',
      differs: { 'answers.0.received': ['\u0015\u0003\u0001\u0000\u0002\u0002/', '\u0015\u0003\u0003\u0000\u0002\u0002\n'] },
    },
  },
};
