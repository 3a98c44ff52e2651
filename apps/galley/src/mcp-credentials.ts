import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { ServerCredentials } from '@grpc/grpc-js';
import { ownRoots, peerIdentity, serverCredentials, startIdentity } from '@xebec/agent';
import { errorText, type Logger, systemClock, systemRandom, XebecError } from '@xebec/core';
import type { McpAuthenticate } from '@xebec/mcp';

/** How the secure port proves who it is, and whom it lets in. */
export interface McpCredentials {
  readonly server: ServerCredentials;
  readonly authenticate: McpAuthenticate;
  close(): void;
}

/** Files are looked at this often: a mounted Secret changes beneath us. */
const RELOAD_MS = 10_000;

/**
 * Which SPIFFE IDs may connect: exact ones, or beginnings that end with `*`. An empty text stands for every account of istio-system, in
 * whichever trust domain is asked about.
 */
export function allowList(text: string): (id: string, trustDomain: string) => boolean {
  if (text === '') return (id, trustDomain) => id.startsWith(`spiffe://${trustDomain}/ns/istio-system/`);
  const patterns = text
    .split(',')
    .map((pattern) => pattern.trim())
    .filter((pattern) => pattern !== '');
  const wrong = patterns.find((pattern) => !pattern.startsWith('spiffe://') || pattern.slice(0, -1).includes('*'));
  if (wrong !== undefined)
    throw new XebecError('E_FLAG', `--mcp-allowed-ids takes SPIFFE IDs, with * at their end at most, but got "${wrong}"`);
  return (id) => patterns.some((pattern) => (pattern.endsWith('*') ? id.startsWith(pattern.slice(0, -1)) : id === pattern));
}

interface Trust {
  /** That of the flag, and that which citadel names, to which the mesh may have moved. */
  readonly domains: ReadonlySet<string>;
  readonly rootPem: string;
}

/** Lets callers in whose certificate leads to the roots and whose SPIFFE ID is on the list. */
function authenticator(allowed: ReturnType<typeof allowList>, trust: () => Trust): McpAuthenticate {
  return async (call) => {
    const { domains, rootPem } = trust();
    const peers = [...domains].map((trustDomain) => peerIdentity(call.getAuthContext(), { trustDomain, rootPem }, systemClock.now()));
    const peer = peers.find((one) => one?.ok) ?? peers[0];
    if (peer === undefined) throw new XebecError('E_UNAUTHENTICATED', 'a client certificate of the mesh is needed');
    if (!peer.ok) throw new XebecError('E_UNAUTHENTICATED', `the client certificate is not good: ${peer.error.message}`);
    const { id, trustDomain } = peer.value;
    if (!allowed(id, trustDomain)) throw new XebecError('E_UNAUTHENTICATED', `${id} is not among --mcp-allowed-ids`);
    return id;
  };
}

/** By `--mcp-cert-file`, `--mcp-key-file` and `--mcp-ca-file` where they are given, else by a certificate of citadel's. */
export async function createMcpCredentials(options: Readonly<Record<string, string>>, logger: Logger): Promise<McpCredentials> {
  const { mcpCertFile = '', mcpKeyFile = '', mcpCaFile = '', trustDomain = 'cluster.local' } = options;
  const allowed = allowList(options['mcpAllowedIds'] ?? '');
  if (mcpCertFile !== '' || mcpKeyFile !== '' || mcpCaFile !== '') {
    const files = await FileCredentials.open({ cert: mcpCertFile, key: mcpKeyFile, ca: mcpCaFile }, logger);
    return {
      server: files,
      authenticate: authenticator(allowed, () => ({ domains: new Set([trustDomain]), rootPem: files.roots })),
      close: () => files.close(),
    };
  }
  if ((options['caAddr'] ?? '') === '')
    throw new XebecError(
      'E_FLAG',
      '--mcp-tls-addr needs a certificate: give --ca-addr, or --mcp-cert-file, --mcp-key-file and --mcp-ca-file',
    );
  const identity = startIdentity({
    caAddress: options['caAddr'] ?? '',
    tokenFile: options['caTokenFile'] ?? '',
    rootFile: options['caRootFile'] ?? '',
    serverName: 'istio-citadel.istio-system.svc',
    instance: `${process.env['POD_NAME'] ?? hostname()}-mcp`,
    clock: systemClock,
    random: systemRandom,
    logger,
  });
  const { certificates } = identity;
  identity.follow([]);
  await certificates.ready();
  return {
    server: serverCredentials(certificates),
    authenticate: authenticator(allowed, () => ({
      domains: new Set([trustDomain, certificates.trust.current()?.domains[0]?.trustDomain ?? trustDomain]),
      rootPem: ownRoots(certificates.trust).join(''),
    })),
    close: () => identity.close(),
  };
}

interface Pem {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly ca: Buffer;
}

/** Server credentials from files, followed as they change. */
class FileCredentials extends ServerCredentials {
  readonly #paths: Readonly<Record<keyof Pem, string>>;
  readonly #logger: Logger;
  #pem: Pem;
  #timer: NodeJS.Timeout;

  private constructor(paths: Readonly<Record<keyof Pem, string>>, pem: Pem, logger: Logger) {
    super({ requestCert: true, rejectUnauthorized: false }, { ...pem, minVersion: 'TLSv1.2' });
    this.#paths = paths;
    this.#pem = pem;
    this.#logger = logger;
    this.#timer = setInterval(() => void this.#look(), RELOAD_MS).unref();
  }
  static async open(paths: Readonly<Record<keyof Pem, string>>, logger: Logger): Promise<FileCredentials> {
    return new FileCredentials(paths, await readPem(paths), logger);
  }
  get roots(): string {
    return this.#pem.ca.toString('utf8');
  }
  close(): void {
    clearInterval(this.#timer);
  }
  override _isSecure(): boolean {
    return true;
  }
  override _equals(other: ServerCredentials): boolean {
    return other === this;
  }

  async #look(): Promise<void> {
    try {
      const pem = await readPem(this.#paths);
      if (pem.cert.equals(this.#pem.cert) && pem.key.equals(this.#pem.key) && pem.ca.equals(this.#pem.ca)) return;
      this.updateSecureContextOptions({ ...pem, minVersion: 'TLSv1.2' });
      this.#pem = pem;
    } catch (error) {
      this.#logger.error({}, `the certificate of MCP stays as it is: ${errorText(error)}`);
    }
  }
}

async function readPem(paths: Readonly<Record<keyof Pem, string>>): Promise<Pem> {
  const read = (flag: string, path: string): Promise<Buffer> =>
    readFile(path).catch((cause: unknown) => {
      throw new XebecError('E_FLAG', `${flag} "${path}" cannot be read: ${errorText(cause)}`, { cause });
    });
  const [cert, key, ca] = await Promise.all([
    read('--mcp-cert-file', paths.cert),
    read('--mcp-key-file', paths.key),
    read('--mcp-ca-file', paths.ca),
  ]);
  return { cert, key, ca };
}
