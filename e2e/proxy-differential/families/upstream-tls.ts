import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { Certificates } from '../harness/certificates.ts';
import { httpOptions, type as typeName } from '../harness/configuration.ts';
import type { DifferentialFamily, Json, Peer, Site } from '../harness/family.ts';
import { type OwnClusterCase, ownClusters } from '../harness/own-clusters.ts';
import { identity, issue, tlsPeer } from '../peers/tls-peer.ts';

const file = (filename: string): Json => ({ filename });
const tls =
  (common: (site: Site) => Json, more: Json = {}, cluster: Json = {}) =>
  (site: Site): Json => ({
    transport_socket: {
      name: 'tls',
      typed_config: {
        '@type': typeName('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext'),
        common_tls_context: common(site),
        ...more,
      },
    },
    ...cluster,
  });
const trusting =
  (more: (site: Site) => Json = () => ({})) =>
  (site: Site): Json => ({
    validation_context: { trusted_ca: file(site.certificates.ca), ...more(site) },
  });
const san = (kind: string, matcher: Json) => trusting(() => ({ match_typed_subject_alt_names: [{ san_type: kind, matcher }] }));
const client = ({ certificate, key }: { certificate: string; key: string }): Json => ({
  tls_certificates: [{ certificate_chain: file(certificate), private_key: file(key) }],
});
const digest = (path: string, separator: string): string =>
  new X509Certificate(readFileSync(path)).fingerprint256.toLowerCase().replaceAll(':', separator);
const once = { max_requests_per_connection: 1 };
const one = { path: '/1' };
const two = [{ path: '/1' }, { path: '/2' }];
const auto = (options: Json): Json =>
  httpOptions({ upstream_http_protocol_options: options, explicit_http_config: { http_protocol_options: {} } });
const alpnAuto = httpOptions({ auto_config: { http2_protocol_options: {} } });

const cases: readonly OwnClusterCase[] = [
  { name: 'nothing is verified', cluster: tls(() => ({})), does: one },
  { name: 'SNI', cluster: tls(() => ({}), { sni: 'some.example' }), does: one },
  { name: 'SNI that is an address', cluster: tls(() => ({}), { sni: '127.0.0.1' }), does: one },
  {
    name: 'auto_sni',
    cluster: tls(() => ({}), {}, auto({ auto_sni: true })),
    does: [{ path: '/1' }, { path: '/2', host: 'other.example:8443' }, { path: '/3', host: '127.0.0.1' }],
  },
  { name: 'auto_sni over sni', cluster: tls(() => ({}), { sni: 'fixed.example' }, auto({ auto_sni: true })), does: one },
  {
    name: 'auto_sni by another header',
    cluster: tls(() => ({}), {}, auto({ auto_sni: true, override_auto_sni_header: 'x-sni' })),
    does: [{ path: '/1', headers: [['x-sni', 'from.header']] }, { path: '/2' }],
  },
  {
    name: 'auto_san_validation, matching',
    cluster: tls(trusting(), {}, auto({ auto_sni: true, auto_san_validation: true })),
    does: { path: '/1', host: 'server.example' },
  },
  {
    name: 'auto_san_validation, wildcard',
    cluster: tls(trusting(), {}, auto({ auto_sni: true, auto_san_validation: true })),
    does: { path: '/1', host: 'a.wild.example' },
  },
  {
    name: 'auto_san_validation, wildcard of two labels',
    cluster: tls(trusting(), {}, auto({ auto_sni: true, auto_san_validation: true })),
    does: { path: '/1', host: 'a.b.wild.example' },
  },
  {
    name: 'auto_san_validation, other',
    cluster: tls(trusting(), {}, auto({ auto_sni: true, auto_san_validation: true })),
    does: { path: '/1', host: 'other.example' },
  },
  { name: 'CA', cluster: tls(trusting()), does: two },
  { name: 'wrong CA', cluster: tls((site) => ({ validation_context: { trusted_ca: file(site.certificates.strangerCa) } })), does: two },
  {
    name: 'wrong CA, accepted',
    cluster: tls((site) => ({
      validation_context: { trusted_ca: file(site.certificates.strangerCa), trust_chain_verification: 'ACCEPT_UNTRUSTED' },
    })),
    does: one,
  },
  { name: 'SAN exact', cluster: tls(san('DNS', { exact: 'server.example' })), does: one },
  { name: 'SAN of another name', cluster: tls(san('DNS', { exact: 'other.example' })), does: one },
  { name: 'SAN wildcard entry', cluster: tls(san('DNS', { exact: 'x.wild.example' })), does: one },
  { name: 'SAN prefix', cluster: tls(san('URI', { prefix: 'spiffe://cluster.local/' })), does: one },
  { name: 'SAN of another kind', cluster: tls(san('EMAIL', { exact: 'server.example' })), does: one },
  { name: 'SAN address', cluster: tls(san('IP_ADDRESS', { exact: '127.0.0.1' })), does: one },
  { name: 'SAN suffix, wrong', cluster: tls(san('URI', { suffix: '/sa/client' })), does: one },
  { name: 'SAN contains, ignore case', cluster: tls(san('DNS', { contains: 'SERVER', ignore_case: true })), does: one },
  {
    name: 'certificate hash',
    cluster: tls((site) => ({ validation_context: { verify_certificate_hash: [digest(site.certificates.server.certificate, '')] } })),
    does: one,
  },
  {
    name: 'certificate hash with colons',
    cluster: tls((site) => ({ validation_context: { verify_certificate_hash: [digest(site.certificates.server.certificate, ':')] } })),
    does: one,
  },
  {
    name: 'certificate hash of another',
    cluster: tls((site) => ({ validation_context: { verify_certificate_hash: [digest(site.certificates.other.certificate, '')] } })),
    does: one,
  },
  {
    name: 'client certificate',
    hosts: ['mutual'],
    cluster: tls((site) => ({ ...client(site.certificates.client), ...trusting()(site) })),
    does: two,
  },
  { name: 'client certificate is missing', hosts: ['mutual'], cluster: tls(trusting()), does: one },
  {
    name: 'client certificate of a stranger',
    hosts: ['mutual'],
    cluster: tls((site) => ({ ...client(site.certificates.stranger), ...trusting()(site) })),
    does: one,
  },
  { name: 'client certificate is missing, TLS 1.2', hosts: ['mutual12'], cluster: tls(trusting()), does: one },
  { name: 'server without TLS', hosts: ['plain'], cluster: tls(() => ({})), does: two },
  { name: 'server closes at once', hosts: ['closing'], cluster: tls(() => ({})), does: one },
  { name: 'server resets when it is greeted', hosts: ['resetting'], cluster: tls(() => ({})), does: one },
  { name: 'server does not answer', hosts: ['silent'], cluster: tls(() => ({}), {}, { connect_timeout: '0.2s' }), does: one },
  { name: 'refused', hosts: ['dead'], cluster: tls(() => ({})), does: one },
  { name: 'expired', hosts: ['expired'], cluster: tls(trusting()), does: one },
  { name: 'expired, allowed', hosts: ['expired'], cluster: tls(trusting(() => ({ allow_expired_certificate: true }))), does: one },
  { name: 'intermediate CA', hosts: ['intermediate'], cluster: tls(trusting()), does: one },
  { name: 'TLS 1.2 server', hosts: ['tls12'], cluster: tls(trusting()), does: one },
  {
    name: 'TLS 1.2 server, 1.3 wanted',
    hosts: ['tls12'],
    cluster: tls((site) => ({
      tls_params: { tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_3' },
      ...trusting()(site),
    })),
    does: one,
  },
  {
    name: 'TLS 1.3 server, 1.2 wanted',
    hosts: ['tls13'],
    cluster: tls((site) => ({ tls_params: { tls_maximum_protocol_version: 'TLSv1_2' }, ...trusting()(site) })),
    does: one,
  },
  {
    name: 'no cipher in common',
    hosts: ['tls12'],
    cluster: tls((site) => ({
      tls_params: { tls_maximum_protocol_version: 'TLSv1_2', cipher_suites: ['ECDHE-RSA-AES128-GCM-SHA256'] },
      ...trusting()(site),
    })),
    does: one,
  },
  { name: 'ALPN of its own', cluster: tls(() => ({ alpn_protocols: ['istio', 'http/1.1'] })), does: one },
  { name: 'ALPN auto, HTTP/1 server', cluster: tls(() => ({}), {}, alpnAuto), does: two },
  {
    name: 'ALPN auto, HTTP/2 server',
    hosts: ['h2'],
    cluster: tls(() => ({}), {}, alpnAuto),
    does: [...two, { kind: 'http2', path: '/3' }],
  },
  { name: 'HTTP/2 where the server has HTTP/1', cluster: tls(() => ({}), {}, httpOptions()), does: one },
  { name: 'session resumption', hosts: ['tls12'], cluster: tls(trusting(), {}, once), does: two },
  {
    name: 'session resumption, TLS 1.3',
    hosts: ['tls13'],
    cluster: tls(trusting(), {}, once),
    does: [{ path: '/1' }, { kind: 'pause', ms: 50 }, { path: '/2' }],
  },
  { name: 'no session resumption', hosts: ['tls12'], cluster: tls(trusting(), { max_session_keys: 0 }, once), does: two },
];

/** A server that is no TLS server. */
function bare(behave: (socket: import('node:net').Socket) => void): () => Promise<Peer> {
  return async () => {
    const sockets = new Set<import('node:net').Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      behave(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    return {
      port: typeof address === 'object' && address !== null ? address.port : 0,
      close() {
        server.close();
        for (const socket of sockets) socket.destroy();
      },
    };
  };
}

const mutual = (certificates: Certificates) => ({
  ...identity(certificates.server),
  ca: readFileSync(certificates.ca),
  requestCert: true,
  rejectUnauthorized: true,
});

/** TLS towards upstreams: names, trust, versions, client certificates, sessions; each case has a cluster of its own. */
export const upstreamTls: DifferentialFamily = {
  name: 'upstream-tls',
  waits: true,
  about: 'TLS towards upstreams: SNI, trust, names, pins, client certificates, versions, ALPN, sessions and how each failure is told',
  ...ownClusters(
    cases.map((what) => ({
      ...what,
      // What the two libraries prefer differs.
      ignoreStats: [
        'ssl.certificate*',
        'ssl.ciphers*',
        'ssl.curves*',
        'ssl.sigalgs*',
        'upstream_cx_rx_bytes_total',
        'upstream_cx_tx_bytes_total',
      ],
    })),
    { defaultHost: 'tls' },
  ),
  known: {
    'SNI that is an address': {
      why: 'Node sends no SNI that is an address (RFC 6066 section 3 forbids it).',
      differs: {
        'answers.0.answers.0.headers.content-length': ['66', '62'],
        'answers.0.answers.0.body': [
          'sni=127.0.0.1 alpn=http/1.1 client=- resumed=false version=TLSv1.2',
          'sni=false alpn=http/1.1 client=- resumed=false version=TLSv1.2',
        ],
        'log.0.sent': [66, 62],
      },
    },
  },
  upstreams: { h2: 'https2' },
  peers: {
    tls: tlsPeer((certificates) => identity(certificates.server)),
    mutual: tlsPeer(mutual),
    mutual12: tlsPeer((certificates) => ({ ...mutual(certificates), maxVersion: 'TLSv1.2' })),
    tls12: tlsPeer((certificates) => ({ ...identity(certificates.server), maxVersion: 'TLSv1.2' })),
    tls13: tlsPeer((certificates) => ({ ...identity(certificates.server), minVersion: 'TLSv1.3' })),
    expired: tlsPeer(async (certificates) => identity(await issue(certificates, 'expired', { days: 0 }))),
    intermediate: tlsPeer(async (certificates) => identity(await issue(certificates, 'below', { intermediate: true }))),
    plain: bare((socket) => socket.on('data', () => socket.write('HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n'))),
    closing: bare((socket) => socket.end()),
    // Not before it was greeted: whether a connection that is reset in between counts as made is a race in both proxies.
    resetting: bare((socket) => socket.once('data', () => socket.resetAndDestroy())),
    silent: bare(() => undefined),
  },
};
