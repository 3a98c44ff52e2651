import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { type ChannelOptions, Client, Metadata } from '@grpc/grpc-js';
import { errorText, XebecError } from '@xebec/core';
import { channelCredentials } from './channel-credentials.ts';

export interface CaConnectionOptions {
  /** `istio-citadel.istio-system.svc:8060`. */
  readonly caAddress: string;
  /** The service-account token; read anew for each call, because the kubelet rotates it. */
  readonly tokenFile: string;
  /** PEM roots by which the CA's server certificate is judged; read anew for each call. */
  readonly rootFile: string;
  /** Name that the CA's certificate must carry where the address does not say it, such as an IP address. */
  readonly serverName?: string;
  /** Sent as `clusterid`. */
  readonly clusterId?: string;
  /** PEM roots beside those of the file: what the trust store holds, which may know a new root before the file does. */
  readonly moreRoots?: () => readonly string[];
  /** A certificate that is still valid proves who asks, also when the token has run out; undefined for none. */
  readonly clientCertificate?: () => { readonly certificateChainPem: string; readonly privateKeyPem: string } | undefined;
}

/** A client with what proves who calls. `release` it when the call is over. */
export interface CaCall {
  readonly client: Client;
  readonly metadata: Metadata;
  /** `unanswered`: nothing came over its connection, which may lead to a machine that is gone; the next call gets another. */
  release(unanswered?: boolean): void;
}

export interface CaConnection {
  readonly address: string;
  /** `token`: rather the connection without a client certificate, which the first request has opened. */
  open(prefer: 'certificate' | 'token'): Promise<CaCall>;
  close(): void;
}

/** How long a connection without calls is kept: the trust stream follows the first certificate on the same handshake. */
const LINGER_MS = 2000;

const CHANNEL: ChannelOptions = {
  'grpc.enable_retries': 0,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 2000,
};

/** Connections to the CA: one for each set of roots and client certificate, shared by the calls that are open at a time. */
export function caConnection(options: CaConnectionOptions): CaConnection {
  const open = new Map<string, { readonly client: Client; users: number; timer: NodeJS.Timeout | undefined }>();
  const drop = (key: string) => {
    const entry = open.get(key);
    clearTimeout(entry?.timer);
    entry?.client.close();
    open.delete(key);
  };
  return {
    address: options.caAddress,
    async open(prefer) {
      const more = options.moreRoots?.() ?? [];
      const root = await readFileOr('E_CA_ROOT_FILE', options.rootFile, "the CA's root certificate").catch((error: unknown) => {
        if (more.length === 0) throw error;
        return Buffer.alloc(0);
      });
      // A root that both know counts once: the connection of the first request then serves the trust stream as well.
      const roots = Buffer.from(distinct([root.toString('utf8'), ...more]));
      const held = options.clientCertificate?.();
      const token = await readFileOr('E_TOKEN_FILE', options.tokenFile, 'the service-account token').catch((error: unknown) => {
        if (held === undefined) throw error;
        return undefined;
      });
      const certificate = prefer === 'token' && token !== undefined ? undefined : held;
      const key = createHash('sha256')
        .update(roots)
        .update('\0')
        .update(certificate?.certificateChainPem ?? '')
        .digest('hex');
      const known = open.get(key);
      const entry = known ?? { client: connect(options, roots, certificate), users: 0, timer: undefined };
      if (known === undefined) open.set(key, entry);
      clearTimeout(entry.timer);
      entry.users++;
      const metadata = new Metadata();
      if (token !== undefined) metadata.set('authorization', `Bearer ${token.toString('utf8').trim()}`);
      metadata.set('clusterid', options.clusterId ?? 'Kubernetes');
      let released = false;
      return {
        client: entry.client,
        metadata,
        release(unanswered = false) {
          if (released) return;
          released = true;
          entry.users--;
          if (unanswered && open.get(key) === entry) open.delete(key);
          if (open.get(key) !== entry) {
            if (entry.users === 0) entry.client.close();
            return;
          }
          if (entry.users > 0) return;
          entry.timer = setTimeout(() => drop(key), certificate === undefined ? LINGER_MS : 0);
          entry.timer.unref();
        },
      };
    },
    close() {
      for (const key of [...open.keys()]) drop(key);
    },
  };
}

function distinct(pems: readonly string[]): string {
  const blocks = pems.flatMap((pem) => pem.match(/-----BEGIN [^-]*CERTIFICATE-----[^-]*-----END [^-]*CERTIFICATE-----/g) ?? []);
  return [...new Set(blocks.map((block) => block.trim()))].map((block) => `${block}\n`).join('');
}

function connect(
  options: CaConnectionOptions,
  roots: Buffer,
  certificate: { readonly certificateChainPem: string; readonly privateKeyPem: string } | undefined,
): Client {
  return new Client(options.caAddress, channelCredentials(roots, certificate), {
    ...CHANNEL,
    ...serverNameOption(options.caAddress, options.serverName),
  });
}

/** grpc-js channel option that checks an IP address's certificate against a name; a host name is checked as it stands. */
export function serverNameOption(address: string, serverName: string | undefined): { 'grpc.ssl_target_name_override'?: string } {
  const host = address.replace(/:\d+$/, '').replaceAll(/[[\]]/g, '');
  return serverName !== undefined && isIP(host) !== 0 ? { 'grpc.ssl_target_name_override': serverName } : {};
}

async function readFileOr(code: string, file: string, what: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    throw new XebecError(code, `${what} cannot be read from ${file}: ${errorText(error)}`);
  }
}
