import { randomInt, randomUUID, X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { Agent, createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { TLSSocket } from 'node:tls';
import { type Clock, type Logger, systemClock, XebecError } from '@xebec/core';
import { stringify } from 'yaml';
import { startControllers } from '../controllers/start.ts';
import { createAdmission } from './admission.ts';
import { isAllowed } from './authorization.ts';
import { loadBuiltinTypes } from './builtin-types.ts';
import { coversNames, loadAuthority, writeSecret } from './certificates.ts';
import { ObjectEngine, type UserInfo } from './engine.ts';
import { ApiHandler } from './handler.ts';
import { createKubeletProxy } from './kubelet-proxy.ts';
import { ResourceRegistry } from './registry.ts';
import { formatIpv4, parseCidr } from './service-addresses.ts';
import { forbidden } from './status.ts';
import { ObjectStore } from './store.ts';
import { API_AUDIENCES, TokenIssuer } from './tokens.ts';
import { WebhookCaller } from './webhooks.ts';

export interface ApiServerOptions {
  /** Everything the server keeps: database, keys, certificates, kubeconfig. */
  readonly dataDir: string;
  /** Where to listen; the kubeconfig points to the first. Port 0 picks a free one. */
  readonly addresses: readonly { readonly host: string; readonly port: number }[];
  /** The Unix socket on which the node agent serves logs, exec and connections to pods. */
  readonly kubeletSocket?: string;
  readonly serviceCidr?: string;
  readonly logger: Logger;
  readonly clock?: Clock;
  /** More names and addresses for the serving certificate. */
  readonly extraSans?: readonly string[];
  /** Where to write the admin kubeconfig; `kubeconfig` in the data directory by default. */
  readonly kubeconfigPath?: string;
}

export interface RunningApiServer {
  readonly kubeconfigPath: string;
  readonly urls: readonly string[];
  readonly engine: ObjectEngine;
  close(): Promise<void>;
}

const ADMIN = 'kubernetes-admin';
const MASTERS = 'system:masters';
const SUFFIX = 'bcdfghjklmnpqrstvwxz2456789';
const DEFAULT_CIDR = '10.96.0.0/12';

/** Starts the API server and the controllers beside it. */
export async function startApiServer(options: ApiServerOptions): Promise<RunningApiServer> {
  const { dataDir, logger, clock = systemClock } = options;
  const serviceCidr = parseCidr(options.serviceCidr ?? DEFAULT_CIDR);
  if (serviceCidr === undefined || serviceCidr.size < 256) {
    throw new XebecError(
      'E_FLAG',
      `--service-cidr wants an IPv4 range of at least a /24, such as ${DEFAULT_CIDR}, but got "${options.serviceCidr}"`,
    );
  }
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const store = openStore(join(dataDir, 'state.db'));
  const registry = new ResourceRegistry();
  for (const crd of store.list('customresourcedefinitions.apiextensions.k8s.io')) registry.setCustom(crd);
  const newSuffix = () => Array.from({ length: 5 }, () => SUFFIX[randomInt(SUFFIX.length)]).join('');
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  const webhooks = new WebhookCaller({ store, logger, newUid: randomUUID, agent });
  const engine = new ObjectEngine({
    store,
    registry,
    types: loadBuiltinTypes(),
    clock,
    newUid: randomUUID,
    newSuffix,
    serviceCidr,
    admission: createAdmission(store, webhooks, newSuffix),
  });
  const authority = await loadAuthority(dataDir, clock.now());
  const tokens = new TokenIssuer(dataDir, store, clock);
  const kubelet = createKubeletProxy({ engine, logger, socketPath: options.kubeletSocket });
  const names = [
    ...new Set([
      'localhost',
      '127.0.0.1',
      '::1',
      'kubernetes',
      'kubernetes.default',
      'kubernetes.default.svc',
      'kubernetes.default.svc.cluster.local',
      formatIpv4(serviceCidr.base + 1),
      ...options.addresses.map(({ host }) => host).filter((host) => host !== '0.0.0.0' && host !== '::'),
      ...(options.extraSans ?? []),
    ]),
  ];
  const serving = await servingCertificate(dataDir, authority, names, clock.now());
  const authenticate = async (request: IncomingMessage): Promise<UserInfo | undefined> => {
    const user = await identify(request);
    return user === undefined ? undefined : impersonated(store, request, user);
  };
  const identify = async (request: IncomingMessage): Promise<UserInfo | undefined> => {
    const authorization = request.headers.authorization ?? '';
    if (authorization.startsWith('Bearer ')) return (await tokens.verify(authorization.slice(7), API_AUDIENCES))?.user;
    return request.socket instanceof TLSSocket ? clientIdentity(request.socket) : undefined;
  };
  let isReady = false;
  const handler = new ApiHandler({
    engine,
    reviews: { store, tokens, clock },
    clock,
    logger,
    authenticate,
    containerLog: kubelet.containerLog,
    isReady: () => isReady,
  });
  const servers: Server[] = [];
  const urls: string[] = [];
  let [port] = [options.addresses[0]?.port ?? 0];
  for (const address of options.addresses) {
    const server = createServer({
      cert: serving.certificate,
      key: serving.key,
      ca: authority.caPem,
      requestCert: true,
      rejectUnauthorized: false,
      ALPNProtocols: ['http/1.1'],
      minVersion: 'TLSv1.2',
    });
    server.requestTimeout = 0;
    server.keepAliveTimeout = 90_000;
    server.on('request', (request, response) => void handler.handle(request, response));
    server.on('upgrade', (request, socket, head) => void kubelet.upgrade(request, socket, head, authenticate));
    server.on('tlsClientError', (error) => logger.debug({ error: error.message }, 'TLS handshake failed'));
    await listen(server, address.host, address.port === 0 ? 0 : address.port);
    const bound = server.address() as AddressInfo;
    if (servers.length === 0) port = bound.port;
    servers.push(server);
    urls.push(`https://${address.host.includes(':') ? `[${address.host}]` : address.host}:${bound.port}`);
  }
  const kubeconfigPath = options.kubeconfigPath ?? join(dataDir, 'kubeconfig');
  const first = options.addresses[0]?.host ?? '127.0.0.1';
  const client = await authority.client(ADMIN, [MASTERS]);
  writeKubeconfig(kubeconfigPath, `https://${first === '0.0.0.0' ? '127.0.0.1' : first}:${port}`, authority.caPem, client);
  const controllers = await startControllers({
    engine,
    logger: logger.child({ part: 'controllers' }),
    clusterCa: authority.caPem,
    apiServiceIp: formatIpv4(serviceCidr.base + 1),
    apiHost: first === '0.0.0.0' ? '127.0.0.1' : first,
    apiPort: port,
  });
  isReady = true;
  logger.info({ urls, kubeconfig: kubeconfigPath }, 'API server listens');
  return {
    kubeconfigPath,
    urls,
    engine,
    close: async () => {
      isReady = false;
      await controllers.close();
      handler.endWatches();
      kubelet.close();
      agent.destroy();
      await Promise.all(
        servers.map(
          (server) =>
            new Promise<void>((resolve) => {
              server.close(() => resolve());
              server.closeAllConnections();
            }),
        ),
      );
      store.close();
    },
  };
}

function openStore(file: string): ObjectStore {
  try {
    return new ObjectStore({ file });
  } catch (error) {
    throw new XebecError(
      'E_STORE',
      `cannot open the database ${file}: check that the disk has room, that the file is yours, and that no other xebec-apiserver uses it`,
      { cause: error },
    );
  }
}

/** Who a verified client certificate names: CN is the user, each O a group. */
function clientIdentity(socket: TLSSocket): UserInfo | undefined {
  if (!socket.authorized) return undefined;
  const der = socket.getPeerX509Certificate();
  if (der === undefined) return undefined;
  const subject = new X509Certificate(der.raw).subject.split('\n').map((line) => line.split('=', 2));
  const username = subject.find(([key]) => key === 'CN')?.[1];
  if (username === undefined) return undefined;
  return {
    username,
    groups: [...subject.flatMap(([key, value]) => (key === 'O' && value !== undefined ? [value] : [])), 'system:authenticated'],
  };
}

/** The user that an `Impersonate-User` header names, when the caller may act for others. */
function impersonated(store: ObjectStore, request: IncomingMessage, caller: UserInfo): UserInfo {
  const username = request.headers['impersonate-user'];
  if (typeof username !== 'string') return caller;
  const users = { group: '', plural: 'users' };
  const query = { verb: 'impersonate', group: '', resource: 'users', subresource: '', namespace: '', name: username };
  if (!isAllowed(store, caller, query))
    throw forbidden(users, username, `User "${caller.username}" cannot impersonate resource "users" in API group "" at the cluster scope`);
  const header = request.headers['impersonate-group'];
  const asked = (Array.isArray(header) ? header.join(',') : (header ?? ''))
    .split(',')
    .flatMap((name) => (name.trim() === '' ? [] : [name.trim()]));
  const account = /^system:serviceaccount:([^:]+):[^:]+$/.exec(username);
  const own = account === null ? [] : ['system:serviceaccounts', `system:serviceaccounts:${account[1]}`];
  return { username, groups: [...new Set([...(asked.length > 0 ? asked : own), 'system:authenticated'])] };
}

async function servingCertificate(
  dataDir: string,
  authority: Awaited<ReturnType<typeof loadAuthority>>,
  names: readonly string[],
  nowMs: number,
): Promise<{ certificate: string; key: string }> {
  const certificateFile = join(dataDir, 'apiserver.crt');
  const keyFile = join(dataDir, 'apiserver.key');
  if (existsSync(certificateFile) && existsSync(keyFile)) {
    const certificate = readFileSync(certificateFile, 'utf8');
    if (coversNames(certificate, authority.caPem, names, nowMs)) return { certificate, key: readFileSync(keyFile, 'utf8') };
  }
  const made = await authority.server(names);
  writeSecret(keyFile, made.key);
  writeFileSync(certificateFile, made.certificate);
  return made;
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: NodeJS.ErrnoException) => {
      const hint =
        error.code === 'EADDRINUSE' ? 'another process has the port: stop it or choose another with --secure-addr' : error.message;
      reject(new XebecError('E_LISTEN', `cannot listen on ${host}:${port}: ${hint}`, { cause: error }));
    };
    server.once('error', fail);
    server.listen(port, host, () => {
      server.off('error', fail);
      resolve();
    });
  });
}

/** Writes the admin kubeconfig at once or not at all, readable by its owner only. */
function writeKubeconfig(path: string, server: string, caPem: string, client: { certificate: string; key: string }): void {
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'xebec', cluster: { server, 'certificate-authority-data': base64(caPem) } }],
    users: [{ name: ADMIN, user: { 'client-certificate-data': base64(client.certificate), 'client-key-data': base64(client.key) } }],
    contexts: [{ name: 'xebec', context: { cluster: 'xebec', user: ADMIN } }],
    'current-context': 'xebec',
  };
  writeSecret(`${path}.new`, stringify(config));
  renameSync(`${path}.new`, path);
}
