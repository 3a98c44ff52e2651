import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { Client, credentials } from '@grpc/grpc-js';
import { type Agent, certificateClient, runEnvoy, startAgent } from '@xebec/agent';
import { silentLogger, systemClock, systemRandom } from '@xebec/core';
import { createCsr, generateKeys } from '@xebec/identity';
import { IstioCertificateRequestSchema, IstioCertificateService } from '@xebec/protos/istio/v1/auth/ca';
import { methodDefinition } from '@xebec/rpc';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

const ENVOY = process.env['ENVOY'] ?? 'envoy';
const BIN = join(import.meta.dirname, '../../apps/citadel/bin/xebec-citadel.ts');

interface Output {
  readonly code: number | string | null | undefined;
  readonly text: string;
}

function run(command: string, args: readonly string[], input = ''): Promise<Output> {
  return new Promise((resolve) => {
    const child = execFile(command, [...args], { timeout: 20_000 }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : error.code, text: `${stdout}${stderr}` }),
    );
    // Whoever reads no input may have ended before it comes.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

let directory: string;
let signer: CryptoKey;
let citadel: { child: ChildProcess; port: number; httpPort: number };

async function startCitadel(): Promise<typeof citadel> {
  const httpPort = await freePort();
  const args = ['--ca-dir', join(directory, 'ca'), '--jwt-jwks', join(directory, 'jwks.json'), '--root-key-type', 'ecdsa-p256'];
  const child = spawn(process.execPath, [BIN, ...args, '--grpc-addr', '127.0.0.1:0', '--http-addr', `127.0.0.1:${httpPort}`], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  child.stderr?.on('data', (chunk: Buffer) => (log += chunk.toString('utf8')));
  const port = await vi.waitFor(
    () => {
      const found = /"grpcPort":(\d+)/.exec(log)?.[1];
      if (found === undefined) throw new Error(`xebec-citadel has not started: ${log}`);
      return Number(found);
    },
    { timeout: 20_000, interval: 50 },
  );
  return { child, port, httpPort };
}

async function stop(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  child.kill(signal);
  return ended;
}

function token(subject: string, audience = 'istio-ca', expires = '1h'): Promise<string> {
  return new SignJWT({})
    .setProtectedHeader({ alg: 'ES256', kid: 'k' })
    .setSubject(subject)
    .setAudience(audience)
    .setIssuedAt()
    .setExpirationTime(expires)
    .sign(signer);
}

const rootFile = () => join(directory, 'ca/self-signed/root-cert.pem');

async function client(subject: string, audience?: string, expires?: string) {
  const tokenFile = join(mkdtempSync(join(directory, 'token-')), 'token');
  writeFileSync(tokenFile, await token(subject, audience, expires));
  return certificateClient({
    caAddress: `127.0.0.1:${citadel.port}`,
    tokenFile,
    rootFile: rootFile(),
    serverName: 'istio-citadel.istio-system.svc',
  });
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'xebec-citadel-'));
  const keys = await generateKeyPair('ES256', { extractable: true });
  signer = keys.privateKey;
  writeFileSync(join(directory, 'jwks.json'), JSON.stringify({ keys: [{ ...(await exportJWK(keys.publicKey)), kid: 'k', alg: 'ES256' }] }));
  citadel = await startCitadel();
});
afterAll(async () => {
  await stop(citadel.child, 'SIGKILL');
  rmSync(directory, { recursive: true, force: true });
});

describe('xebec-citadel', () => {
  const account = 'system:serviceaccount:default:reviews';

  it.each([
    ['RSA 2048', ['-newkey', 'rsa:2048']],
    ['P-256', ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256']],
    ['P-384', ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384']],
    ['Ed25519', ['-newkey', 'ed25519']],
  ])("signs openssl's request with a key of %s, and openssl verifies the chain", async (_name, key) => {
    const csrFile = join(directory, 'csr.pem');
    const names = ['-subj', '/CN=admin', '-addext', 'subjectAltName=URI:spiffe://cluster.local/ns/kube-system/sa/admin'];
    const made = await run('openssl', ['req', '-new', '-nodes', ...key, '-keyout', join(directory, 'csr.key'), '-out', csrFile, ...names]);
    expect(made.code, made.text).toBe(0);
    const sign = await client(account);
    const chain = await sign(readFileSync(csrFile, 'utf8'), 600);
    expect(chain).toHaveLength(2);
    expect(chain[1]).toBe(readFileSync(rootFile(), 'utf8'));
    const leafFile = join(directory, 'leaf.pem');
    writeFileSync(leafFile, chain[0] ?? '');
    for (const purpose of ['sslserver', 'sslclient']) {
      const verified = await run('openssl', ['verify', '-x509_strict', '-purpose', purpose, '-CAfile', rootFile(), leafFile]);
      expect(verified.code, verified.text).toBe(0);
    }
    const { text } = await run('openssl', ['x509', '-in', leafFile, '-noout', '-text']);
    expect(text).toContain('URI:spiffe://cluster.local/ns/default/sa/reviews');
    expect(text).not.toContain('admin');
    expect(text).toMatch(/X509v3 Subject Alternative Name: critical/);
    expect(text).toContain('CA:FALSE');
  });

  it('gives DNS names to the control plane alone', async () => {
    const csr = createCsr(await generateKeys('ecdsa-p256'));
    const pilot = await (await client('system:serviceaccount:istio-system:istio-pilot-service-account'))(csr, 60);
    const shown = await run('openssl', ['x509', '-noout', '-ext', 'subjectAltName'], pilot[0]);
    expect(shown.text).toContain('DNS:istio-pilot.istio-system.svc');
    expect(shown.text).toContain('DNS:istiod.istio-system.svc');
    const other = await (await client('system:serviceaccount:default:istio-pilot-service-account'))(csr, 60);
    expect((await run('openssl', ['x509', '-noout', '-ext', 'subjectAltName'], other[0])).text).not.toContain('DNS:');
  });

  it('refuses wrong audience, expired and alien tokens, long lives and broken requests', async () => {
    const csr = createCsr(await generateKeys('ecdsa-p256'));
    await expect((await client(account, 'other'))(csr, 60)).rejects.toMatchObject({
      cause: { code: 16, details: 'request authenticate failure' },
    });
    await expect((await client(account, 'istio-ca', '-1h'))(csr, 60)).rejects.toMatchObject({ cause: { code: 16 } });
    await expect((await client('alice'))(csr, 60)).rejects.toMatchObject({ cause: { code: 16 } });
    await expect((await client(account))(csr, 91 * 86_400)).rejects.toMatchObject({
      cause: { code: 3, details: expect.stringContaining('E_TTL') },
    });
    await expect((await client(account))('no csr', 60)).rejects.toMatchObject({
      cause: { code: 3, details: expect.stringContaining('E_PEM') },
    });
    const metrics = await (await fetch(`http://127.0.0.1:${citadel.httpPort}/metrics`)).text();
    expect(metrics).toContain('citadel_server_authentication_failure_count 3');
    expect(metrics).toContain('citadel_server_csr_parsing_err_count 1');
    expect(metrics).toMatch(/citadel_server_root_cert_expiry_timestamp \d+/);
  });

  it('renews by client certificate, without a token', async () => {
    const first = await generateKeys('ecdsa-p256');
    const chain = await (await client(account))(createCsr(first), 600);
    const key = first.privateKey.export({ format: 'pem', type: 'pkcs8' });
    const channel = credentials.createSsl(readFileSync(rootFile()), Buffer.from(key), Buffer.from(chain[0] ?? ''));
    const caller = new Client(`127.0.0.1:${citadel.port}`, channel, { 'grpc.ssl_target_name_override': 'istio-citadel.istio-system.svc' });
    const method = methodDefinition(IstioCertificateService.method.createCertificate);
    const request = create(IstioCertificateRequestSchema, { csr: createCsr(await generateKeys('ecdsa-p256')), validityDuration: 60n });
    const answer = await new Promise<unknown>((resolve, reject) =>
      caller.makeUnaryRequest(method.path, method.requestSerialize, method.responseDeserialize, request, (error, value) =>
        error === null ? resolve(value) : reject(error),
      ),
    );
    caller.close();
    expect(answer).toMatchObject({ certChain: [expect.stringContaining('BEGIN CERTIFICATE'), readFileSync(rootFile(), 'utf8')] });
  });

  it('keeps its root through kill -9, and ends cleanly on SIGTERM', async () => {
    const before = readFileSync(rootFile(), 'utf8');
    await stop(citadel.child, 'SIGKILL');
    citadel = await startCitadel();
    const chain = await (await client(account))(createCsr(await generateKeys('ecdsa-p256')), 60);
    expect(chain[1]).toBe(before);
    expect(await stop(citadel.child, 'SIGTERM')).toBe(0);
    citadel = await startCitadel();
    expect((await fetch(`http://127.0.0.1:${citadel.httpPort}/readyz`)).status).toBe(200);
  });

  it.each([
    [['--ca-dir', '/tmp/x'], '--jwt-jwks'],
    [['--trust-domain', 'A B', '--ca-dir', '/tmp/x'], 'trust domain'],
    [['--root-key-type', 'dsa'], '--root-key-type'],
    [['--custom-dns-names', 'x'], '--custom-dns-names'],
    [['--jwt-jwks', '/nonexistent', '--ca-dir', '/tmp/x'], '/nonexistent'],
    [[], '--kubeconfig'],
  ])('refuses %j with one line', async (args, word) => {
    const result = await run(process.execPath, [BIN, ...args, '--http-addr', '127.0.0.1:0']);
    expect(result.code).not.toBe(0);
    expect(result.text.trim().split('\n')).toHaveLength(1);
    expect(result.text).toContain(word);
  });
});

describe('agent with stock Envoy', () => {
  let agent: Agent;
  let envoy: ReturnType<typeof runEnvoy>;
  let port: number;

  beforeAll(async () => {
    const cwd = join(directory, 'pod');
    mkdirSync(join(cwd, 'var/run/secrets/tokens'), { recursive: true });
    writeFileSync(join(cwd, 'var/run/secrets/tokens/istio-token'), await token('system:serviceaccount:default:reviews'));
    port = await freePort();
    const env = {
      CA_ADDR: `127.0.0.1:${citadel.port}`,
      CA_ROOT_CA: rootFile(),
      SECRET_TTL: '4s',
      XEBEC_STATUS_PORT: '0',
      XEBEC_ADMIN_PORT: String(await freePort()),
      ENVOY_STATUS_PORT: String(await freePort()),
      ENVOY_PROMETHEUS_PORT: String(await freePort()),
      XEBEC_PILOT_ADDR: '127.0.0.1:1',
      POD_NAME: 'reviews-v1',
    };
    agent = await startAgent({ env, cwd, role: 'sidecar', version: '1.32.0', logger: silentLogger });
    envoy = runEnvoy({
      envoyPath: ENVOY,
      bootstrap: withTlsListener(agent.bootstrap, port),
      adminUrl: agent.adminUrl,
      cwd,
      role: 'sidecar',
      args: ['-l', 'error'],
      drainMs: 100,
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
    });
  });
  afterAll(async () => {
    await envoy?.close();
    await agent?.close();
  });

  /** One TLS connection by openssl with a client certificate of the mesh: openssl's report and the serial number it saw. */
  const handshake = async (withCertificate: boolean) => {
    const own = await agent.certificates.ready();
    const [key, cert] = [join(directory, 'client.key'), join(directory, 'client.pem')];
    writeFileSync(key, own.privateKeyPem);
    writeFileSync(cert, own.certificateChainPem);
    const client = withCertificate ? ['-key', key, '-cert', cert] : [];
    const args = ['s_client', '-connect', `127.0.0.1:${port}`, '-CAfile', rootFile(), '-verify_return_error', '-ign_eof', ...client];
    const result = await run('openssl', args);
    const leaf = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.exec(result.text)?.[0] ?? '';
    const serial = leaf === '' ? '' : (await run('openssl', ['x509', '-noout', '-serial'], leaf)).text.trim();
    return { ...result, serial };
  };

  it('serves mTLS with the certificate from SDS and refuses a client without one', async () => {
    const good = await vi.waitFor(
      async () => {
        const result = await handshake(true);
        expect(result.text).toContain('hello from the mesh');
        return result;
      },
      { timeout: 30_000, interval: 200 },
    );
    expect(good.text).toContain('Verify return code: 0 (ok)');
    const bad = await handshake(false);
    expect(bad.text).not.toContain('hello from the mesh');
  });

  it('swaps the certificate on the live listener when it rotates', async () => {
    const { serial } = await handshake(true);
    await vi.waitFor(
      async () => {
        const later = await handshake(true);
        expect(later.text).toContain('hello from the mesh');
        expect(later.serial).not.toBe(serial);
      },
      { timeout: 20_000, interval: 300 },
    );
  });

  it('is not ready without a pilot, in the words that users know', async () => {
    const response = await fetch(`http://127.0.0.1:${agent.statusPort}/healthz/ready`);
    expect(response.status).toBe(503);
    expect(await response.text()).toContain('config not received from Pilot (is Pilot running?)');
  });
});

/** Adds a listener that wants mTLS by the agent's secrets and answers each connection with a line. */
function withTlsListener(bootstrap: Record<string, unknown>, port: number): object {
  const source = {
    resource_api_version: 'V3',
    api_config_source: { api_type: 'GRPC', transport_api_version: 'V3', grpc_services: [{ envoy_grpc: { cluster_name: 'sds-grpc' } }] },
  };
  const listener = {
    name: 'mtls',
    address: { socket_address: { address: '127.0.0.1', port_value: port } },
    filter_chains: [
      {
        transport_socket: {
          name: 'envoy.transport_sockets.tls',
          typed_config: {
            '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
            require_client_certificate: true,
            common_tls_context: {
              tls_certificate_sds_secret_configs: [{ name: 'default', sds_config: source }],
              validation_context_sds_secret_config: { name: 'ROOTCA', sds_config: source },
            },
          },
        },
        filters: [
          {
            name: 'envoy.filters.network.direct_response',
            typed_config: {
              '@type': 'type.googleapis.com/envoy.extensions.filters.network.direct_response.v3.Config',
              response: { inline_string: 'hello from the mesh\n' },
            },
          },
        ],
      },
    ],
  };
  // The bootstrap is ours: its static resources are there.
  const statics = bootstrap['static_resources'] as { listeners: object[] };
  // Without a pilot Envoy would wait for its first configuration before it listens.
  const { dynamic_resources: _xds, ...rest } = bootstrap;
  return { ...rest, static_resources: { ...statics, listeners: [...statics.listeners, listener] } };
}
