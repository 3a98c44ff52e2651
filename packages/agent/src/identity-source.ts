import { existsSync } from 'node:fs';
import { type Clock, type Logger, type Random, XebecError } from '@xebec/core';
import { KEY_TYPES, type KeyType, parseTrustDomain, serviceAccountId } from '@xebec/identity';
import type { CertificateManager } from './certificate-manager.ts';
import type { ClockWatch } from './clock-watch.ts';
import { fileIdentity, foreignIdentity, type IdentityFiles } from './file-identity.ts';
import { isServed } from './foreign-socket.ts';
import { goDurationMs } from './go-duration.ts';
import type { FileSecrets } from './secrets/file-secrets.ts';
import type { TrustConsumer } from './trust-consumers.ts';
import type { TrustStream } from './trust-stream.ts';
import type { SignJwtSvid } from './workload-api/jwt-svid-client.ts';
import { startIdentity } from './workload-identity.ts';

/** Where the workload's certificate comes from, and which sockets stand for it. */
export interface IdentitySource {
  readonly certificates: CertificateManager;
  /** Where the agent's SDS server listens. */
  readonly socketToServe: string;
  /** Where the data plane gets `default` and `ROOTCA`. */
  readonly socketOfIdentity: string;
  /** Another server (SPIRE's agent) has the socket of identity. */
  readonly foreign: boolean;
  readonly clockWatch: ClockWatch | undefined;
  /** Rejects where no CA of ours is asked. */
  readonly signJwtSvid: SignJwtSvid;
  /** Undefined where no CA of ours is asked. */
  follow(consumers: readonly TrustConsumer[]): TrustStream | undefined;
  close(): void;
}

const SOCKET_DIRECTORY = './var/run/secrets/workload-spiffe-uds';
const DEFAULT_SOCKET_NAME = 'socket';
const FILES_SOCKET = './var/run/secrets/credential-uds/files-socket';
/** What an IP address must prove to be where the CA is reached by one. */
const CA_SERVER_NAME = 'istio-citadel.istio-system.svc';

/** Certificates that something else puts into the pod: Istio's names, those of managed meshes, and the oldest place. */
const MOUNTED: readonly IdentityFiles[] = [
  mounted('./var/run/secrets/workload-spiffe-credentials', 'cert-chain.pem', 'key.pem', 'root-cert.pem'),
  mounted('./var/run/secrets/workload-spiffe-credentials', 'certificates.pem', 'private_key.pem', 'ca_certificates.pem'),
  mounted('./etc/certs', 'cert-chain.pem', 'key.pem', 'root-cert.pem'),
];

function mounted(directory: string, chain: string, key: string, root: string): IdentityFiles {
  return { chainFile: `${directory}/${chain}`, keyFile: `${directory}/${key}`, rootFile: `${directory}/${root}` };
}

/**
 * Finds out, in this order: another SDS server on the socket of identity (it has the workload's certificates, the agent only files);
 * certificates mounted as files; else the mesh's CA. Throws XebecError `E_ENV` for settings that cannot be.
 */
export async function openIdentity(options: {
  readonly env: NodeJS.ProcessEnv;
  inCwd(path: string): string;
  readonly files: FileSecrets;
  readonly rootFile: string;
  readonly tokenFile: string;
  readonly instance: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}): Promise<IdentitySource> {
  const { env, inCwd, logger } = options;
  const name = env['WORKLOAD_IDENTITY_SOCKET_FILE'] ?? DEFAULT_SOCKET_NAME;
  if (name === '' || name.includes('/'))
    throw new XebecError('E_ENV', `WORKLOAD_IDENTITY_SOCKET_FILE wants the name of a file in ${SOCKET_DIRECTORY}, but got "${name}"`);
  const socket = `${SOCKET_DIRECTORY}/${name}`;
  const trustDomain = env['TRUST_DOMAIN'] ?? 'cluster.local';
  const base = {
    socketToServe: socket,
    socketOfIdentity: socket,
    foreign: false,
    clockWatch: undefined,
    follow: () => undefined,
    signJwtSvid: noTokens,
  };
  if (await isServed(inCwd(socket))) {
    logger.info({ socket }, 'another SDS server serves the workload certificates; this agent serves files alone');
    return { ...base, certificates: foreignIdentity(), socketToServe: FILES_SOCKET, foreign: true, close: () => undefined };
  }
  if (name !== DEFAULT_SOCKET_NAME)
    throw new XebecError('E_ENV', `WORKLOAD_IDENTITY_SOCKET_FILE names ${socket}, but nobody listens there; start its server first`);
  const where = mountedFiles(env, inCwd);
  if (where !== undefined) {
    logger.info({ chain: where.chainFile }, 'the workload certificates are mounted files; no CA is asked');
    const certificates = fileIdentity(options.files, where, trustDomain);
    return { ...base, certificates, close: () => certificates.close() };
  }
  const identity = startIdentity({
    requestedIds: ownIds(env, trustDomain),
    caAddress: env['CA_ADDR'] ?? 'istio-citadel.istio-system.svc:8060',
    tokenFile: options.tokenFile,
    rootFile: options.rootFile,
    serverName: env['CA_SAN'] ?? CA_SERVER_NAME,
    ...(env['ISTIO_META_CLUSTER_ID'] === undefined ? {} : { clusterId: env['ISTIO_META_CLUSTER_ID'] }),
    ...(env['ISTIO_META_CERT_SIGNER'] === undefined ? {} : { certSigner: env['ISTIO_META_CERT_SIGNER'] }),
    trustDomain,
    keyType: keyTypeOf(env),
    keyFormat: env['PKCS8_KEY'] === 'false' ? 'traditional' : 'pkcs8',
    ttlMs: goDurationMs(env['SECRET_TTL'], 'SECRET_TTL') ?? 24 * 3_600_000,
    graceRatio: ratioOf(env, 'SECRET_GRACE_PERIOD_RATIO', 0.5),
    graceJitterRatio: ratioOf(env, 'SECRET_GRACE_PERIOD_RATIO_JITTER', 0.01),
    instance: options.instance,
    clock: options.clock,
    random: options.random,
    logger,
  });
  return {
    ...base,
    certificates: identity.certificates,
    clockWatch: identity.clockWatch,
    signJwtSvid: identity.signJwtSvid,
    follow: (consumers) => identity.follow(consumers),
    close: () => identity.close(),
  };
}

const noTokens: SignJwtSvid = () => Promise.reject(new XebecError('E_CA_REQUEST', 'no CA is asked here, so there are no JWT-SVIDs'));

/** Files count when they are all there; with FILE_MOUNTED_CERTS they are waited for. Those that OUTPUT_CERTS writes are our own. */
function mountedFiles(env: NodeJS.ProcessEnv, inCwd: (path: string) => string): IdentityFiles | undefined {
  const output = env['OUTPUT_CERTS'];
  const found = MOUNTED.map(({ chainFile, keyFile, rootFile }) => ({
    chainFile: inCwd(chainFile),
    keyFile: inCwd(keyFile),
    rootFile: inCwd(rootFile),
  })).filter(({ chainFile }) => output === undefined || output === '' || inCwd(`${output}/cert-chain.pem`) !== chainFile);
  const there = found.find(({ chainFile, keyFile, rootFile }) => [chainFile, keyFile, rootFile].every((file) => existsSync(file)));
  return there ?? (env['FILE_MOUNTED_CERTS'] === 'true' ? found.at(-1) : undefined);
}

function keyTypeOf(env: NodeJS.ProcessEnv): KeyType {
  const curve = env['ECC_CURVE'] === 'P384' ? 'ecdsa-p384' : 'ecdsa-p256';
  const rsaBits = env['WORKLOAD_RSA_KEY_SIZE'];
  const text = env['XEBEC_KEY_TYPE'] ?? (rsaBits === undefined || env['ECC_SIGNATURE_ALGORITHM'] === 'ECDSA' ? curve : `rsa-${rsaBits}`);
  const found = KEY_TYPES.find((type) => type === text);
  if (found === undefined) throw new XebecError('E_ENV', `XEBEC_KEY_TYPE wants one of ${KEY_TYPES.join(', ')}, but got "${text}"`);
  return found;
}

function ratioOf(env: NodeJS.ProcessEnv, name: string, fallback: number): number {
  const text = env[name];
  if (text === undefined || text === '') return fallback;
  const value = Number(text);
  if (!(value >= 0 && value <= 1)) throw new XebecError('E_ENV', `${name} wants a number from 0 to 1, but got "${text}"`);
  return value;
}

/** What the pod says its own ID is; none where it does not say. */
function ownIds(env: NodeJS.ProcessEnv, domain: string): readonly string[] {
  const trustDomain = parseTrustDomain(domain);
  const [namespace, account] = [env['POD_NAMESPACE'], env['SERVICE_ACCOUNT']];
  if (!trustDomain.ok || namespace === undefined || account === undefined) return [];
  const id = serviceAccountId(trustDomain.value, namespace, account);
  return id.ok ? [id.value] : [];
}
