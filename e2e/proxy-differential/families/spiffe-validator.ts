import { execFileSync } from 'node:child_process';
import { createPrivateKey, createPublicKey, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { certificatePem, createCsr, issueLeaf, loadAuthority, parseCsr, unwrap } from '@xebec/identity';
import { cluster, httpConnectionManager, listener, type, virtualHost } from '../harness/configuration.ts';
import type { DifferentialCase, DifferentialFamily, Json, Site } from '../harness/family.ts';

const tlsType = 'envoy.extensions.transport_sockets.tls.v3';
const LEAF = 'basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature,keyEncipherment\nextendedKeyUsage=serverAuth,clientAuth\n';
const san = (names: string) => `subjectAltName=${names}\n`;
const A = 'URI:spiffe://a.example/ns/x/sa/y';
const B = 'URI:spiffe://b.example/ns/x/sa/y';

/** Server certificates by what is special about them; the SNI chooses one. */
const leaves: Readonly<Record<string, { readonly by: 'a' | 'b'; readonly extensions: string; readonly expired?: true }>> = {
  'own-a': { by: 'a', extensions: LEAF + san(A) },
  'own-b': { by: 'b', extensions: LEAF + san(B) },
  'a-by-b': { by: 'b', extensions: LEAF + san(A) },
  'b-by-a': { by: 'a', extensions: LEAF + san(B) },
  'unknown-domain': { by: 'a', extensions: LEAF + san('URI:spiffe://c.example/x') },
  'longer-domain': { by: 'a', extensions: LEAF + san('URI:spiffe://a.example.evil/x') },
  'case-of-domain': { by: 'a', extensions: LEAF + san('URI:spiffe://A.example/x') },
  'no-path': { by: 'a', extensions: LEAF + san('URI:spiffe://a.example') },
  'other-scheme': { by: 'a', extensions: LEAF + san('URI:https://a.example/x') },
  'no-uri': { by: 'a', extensions: LEAF + san('DNS:a.example') },
  'no-san': { by: 'a', extensions: LEAF },
  'two-uris': { by: 'a', extensions: LEAF + san(`${A},${B}`) },
  'two-uris-other-first': { by: 'a', extensions: LEAF + san(`${B},${A}`) },
  'dns-and-uri': { by: 'a', extensions: LEAF + san(`DNS:b.example,${A}`) },
  'a-ca': { by: 'a', extensions: `basicConstraints=critical,CA:TRUE\nkeyUsage=critical,digitalSignature,keyCertSign\n${san(A)}` },
  'signs-certificates': { by: 'a', extensions: `basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature,keyCertSign\n${san(A)}` },
  'signs-crls': { by: 'a', extensions: `basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature,cRLSign\n${san(A)}` },
  'no-key-usage': { by: 'a', extensions: `basicConstraints=CA:FALSE\n${san(A)}` },
  expired: { by: 'a', extensions: LEAF + san(A), expired: true },
};

let directory = '';
const file = (name: string) => join(directory, `spiffe-${name}.pem`);
const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'ignore' });
const newKey = (name: string) => ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', file(`${name}-key`)];

function makeCertificates(): void {
  if (existsSync(file('expired'))) return;
  for (const by of ['a', 'b']) {
    const usage = ['-addext', 'keyUsage=critical,keyCertSign,cRLSign'];
    openssl('req', '-x509', ...newKey(`ca-${by}`), '-out', file(`ca-${by}`), '-days', '30', '-subj', `/O=${by}`, ...usage);
  }
  for (const [name, { by, extensions, expired }] of Object.entries(leaves)) {
    writeFileSync(file(`${name}-ext`), extensions);
    openssl('req', '-new', ...newKey(name), '-out', file(`${name}-csr`), '-subj', '/O=workload');
    const signer = ['-CA', file(`ca-${by}`), '-CAkey', file(`ca-${by}-key`), '-CAcreateserial'];
    openssl('x509', '-req', '-in', file(`${name}-csr`), ...signer, '-out', file(name), '-days', '10', '-extfile', file(`${name}-ext`));
    if (expired === true) writeFileSync(file(name), expiredLeaf(by, name));
  }
}

/** openssl makes no certificate of the past. */
function expiredLeaf(by: string, name: string): string {
  const authority = { certificate: readFileSync(file(`ca-${by}`), 'utf8'), privateKey: readFileSync(file(`ca-${by}-key`), 'utf8') };
  const privateKey = createPrivateKey(readFileSync(file(`${name}-key`)));
  const request = unwrap(parseCsr(createCsr({ privateKey, publicKey: createPublicKey(privateKey) })));
  const template = { uri: A.slice('URI:'.length), ttlMs: 3_600_000, now: Date.UTC(2024, 0, 1), serial: randomBytes(16) };
  return certificatePem(unwrap(issueLeaf(unwrap(loadAuthority(authority)), request, template)));
}

class SniServer {
  readonly port: number;
  readonly #server: Server;
  constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
  }
  static async start(): Promise<SniServer> {
    const server = createServer(
      {
        SNICallback: (name, done) =>
          done(null, createSecureContext({ cert: readFileSync(file(name)), key: readFileSync(file(`${name}-key`)) })),
      },
      (_request, response) => response.end('hello'),
    );
    server.on('tlsClientError', () => undefined);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    return new SniServer(server, typeof address === 'object' && address !== null ? address.port : 0);
  }
  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

const domain = (name: string, by: string): Json => ({ name, trust_bundle: { filename: file(`ca-${by}`) } });
const spiffe = (config: Json): Json => ({
  custom_validator_config: {
    name: 'envoy.tls.cert_validator.spiffe',
    typed_config: { '@type': type(`${tlsType}.SPIFFECertValidatorConfig`), ...config },
  },
});
const bundleMap = (): string => {
  const document = (by: string) => ({
    keys: [{ use: 'x509-svid', kty: 'EC', x5c: [readFileSync(file(`ca-${by}`), 'utf8').replaceAll(/-----[^-]+-----|\s/g, '')] }],
    spiffe_sequence: 1,
  });
  return JSON.stringify({ trust_domains: { 'a.example': document('a'), 'b.example': document('b') } });
};

/** Validation contexts, each for the certificates named. */
function validations(): Record<string, { readonly context: Json; readonly of: readonly string[] }> {
  const both = spiffe({ trust_domains: [domain('a.example', 'a'), domain('b.example', 'b')] });
  const uri = (matcher: Json): Json => ({ match_typed_subject_alt_names: [{ san_type: 'URI', matcher }] });
  return {
    both: { context: both, of: Object.keys(leaves) },
    'only-a': { context: spiffe({ trust_domains: [domain('a.example', 'a')] }), of: ['own-a', 'own-b', 'b-by-a'] },
    expired: { context: { ...both, allow_expired_certificate: true }, of: ['own-a', 'expired', 'a-by-b'] },
    names: { context: { ...both, ...uri({ prefix: 'spiffe://a.example/' }) }, of: ['own-a', 'own-b', 'a-by-b'] },
    'older-names': {
      context: { ...both, match_subject_alt_names: [{ prefix: 'spiffe://a.example/' }] },
      of: ['own-a', 'own-b', 'two-uris-other-first'],
    },
    'wrong-names': { context: { ...both, ...uri({ exact: 'spiffe://a.example/other' }) }, of: ['own-a'] },
    'bundle-map': {
      context: spiffe({ trust_domains: [domain('x.example', 'b')], trust_bundles: { inline_string: bundleMap() } }),
      of: ['own-a', 'own-b', 'a-by-b', 'b-by-a', 'unknown-domain'],
    },
    untrusted: { context: { ...both, trust_chain_verification: 'ACCEPT_UNTRUSTED' }, of: ['own-a', 'a-by-b'] },
    'trusted-ca-beside': { context: { ...both, trusted_ca: { filename: file('ca-b') } }, of: ['own-a', 'a-by-b'] },
    hash: { context: { ...both, verify_certificate_hash: ['00'.repeat(32)] }, of: ['own-a'] },
  };
}
const validationNames: Readonly<Record<string, readonly string[]>> = {
  both: Object.keys(leaves),
  'only-a': ['own-a', 'own-b', 'b-by-a'],
  expired: ['own-a', 'expired', 'a-by-b'],
  names: ['own-a', 'own-b', 'a-by-b'],
  'older-names': ['own-a', 'own-b', 'two-uris-other-first'],
  'wrong-names': ['own-a'],
  'bundle-map': ['own-a', 'own-b', 'a-by-b', 'b-by-a', 'unknown-domain'],
  untrusted: ['own-a', 'a-by-b'],
  'trusted-ca-beside': ['own-a', 'a-by-b'],
  hash: ['own-a'],
};

function bootstrap(site: Site): Json {
  directory = site.directory;
  makeCertificates();
  const clusters = Object.entries(validations()).flatMap(([name, { context, of }]) =>
    of.map((leaf) =>
      cluster(`${name}.${leaf}`, [site.upstream('workloads')], {
        transport_socket: {
          name: 'envoy.transport_sockets.tls',
          typed_config: {
            '@type': type(`${tlsType}.UpstreamTlsContext`),
            sni: leaf,
            common_tls_context: { validation_context: context },
          },
        },
      }),
    ),
  );
  const routes = clusters.map(({ name }) => ({ match: { path: `/${String(name)}` }, route: { cluster: name } }));
  return { static_resources: { listeners: [listener(site, 'http', [httpConnectionManager(site, [virtualHost(routes)])])], clusters } };
}

const cases = Object.entries(validationNames).flatMap(([name, of]) =>
  of.map((leaf): DifferentialCase => ({ name: `${name} ${leaf}`, does: { path: `/${name}.${leaf}` } })),
);

export const spiffeValidator: DifferentialFamily = {
  name: 'spiffe-validator',
  about: 'The SPIFFE certificate validator: bundles by trust domain, what a leaf must be, names, expiry, bundle maps.',
  upstreams: {},
  peers: { workloads: () => SniServer.start() },
  bootstrap,
  cases,
  stats: Object.entries(validationNames).flatMap(([name, of]) =>
    of.flatMap((leaf) => ['handshake', 'fail_verify_error', 'fail_verify_san'].map((stat) => `cluster.${name}.${leaf}.ssl.${stat}`)),
  ),
};
