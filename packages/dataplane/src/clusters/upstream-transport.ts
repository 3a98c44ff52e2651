import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, TLSSocket } from 'node:tls';
import { errorText, XebecError } from '@xebec/core';
import type { TransportSocket } from '@xebec/protos/envoy/config/core/v3/base';
import { ProxyProtocolUpstreamTransportSchema } from '@xebec/protos/envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol';
import { UpstreamTlsContextSchema } from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/tls';
import type { ConnectionInfo, StatsScope } from '@xebec/telemetry';
import { typeNameOf, unpack } from '../config/unpack.ts';
import { addressText, type EndpointAddress, plainAddress } from '../net/endpoint-address.ts';
import { handshakeFailure } from '../tls/failure-text.ts';
import type { SecretStore } from '../tls/secret-store.ts';
import { TlsContext } from '../tls/tls-context.ts';
import { createTlsStats, type TlsStats } from '../tls/tls-stats.ts';
import { compileProxyHeader, type ProxyHeaderWriter } from './proxy-header.ts';
import { bindFor, type SourceAddresses } from './source-addresses.ts';

/** The client side of TLS. */
export interface UpstreamTls {
  readonly context: TlsContext;
  readonly sni: string;
  /** The endpoint's own name is the SNI. */
  readonly sniFromHost: boolean;
  /** One of the server's names must be the SNI. */
  readonly validatesSni: boolean;
  /** Sessions kept for resumption; 0 is none. */
  readonly maxSessions: number;
  readonly stats: TlsStats;
}

/** Probes of idle connections (TCP keepalive). */
export interface KeepAlive {
  readonly idleMs: number;
}

/** How bytes reach a host: plain, or TLS with these secrets and names. */
export interface UpstreamTransport {
  readonly tls: UpstreamTls | undefined;
  /** Writes a PROXY protocol header first, before TLS too. */
  readonly proxyHeader?: ProxyHeaderWriter;
  readonly keepAlive?: KeepAlive | undefined;
}

export const plainTransport: UpstreamTransport = { tls: undefined };

const maxPeersWithSessions = 1024;
const plainTypes = new Set([
  'envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer',
  'envoy.extensions.transport_sockets.tcp_stats.v3.Config',
]);

/** Compiles a cluster's transport socket; throws XebecError `E_CONFIG` for kinds that are not known. */
export function compileUpstreamTransport(
  socket: TransportSocket | undefined,
  secrets: SecretStore,
  where: string,
  scope: StatsScope,
  autoSanValidation = false,
): UpstreamTransport {
  const any = socket?.configType.value;
  if (any !== undefined && typeNameOf(any) === ProxyProtocolUpstreamTransportSchema.typeName) {
    const config = unpack(any, ProxyProtocolUpstreamTransportSchema, where);
    if (config.transportSocket === undefined) throw new XebecError('E_CONFIG', `${where}: transport_socket is missing`);
    const inner = compileUpstreamTransport(config.transportSocket, secrets, `${where}.transport_socket`, scope, autoSanValidation);
    return { ...inner, proxyHeader: compileProxyHeader(config.config) };
  }
  if (any === undefined || plainTypes.has(typeNameOf(any))) return plainTransport;
  const config = unpack(any, UpstreamTlsContextSchema, where);
  const context = new TlsContext(config.commonTlsContext, secrets, where, 'client');
  context.scope = scope;
  return {
    tls: {
      context,
      sni: config.sni,
      sniFromHost: config.autoHostSni,
      validatesSni: autoSanValidation || config.autoSniSanValidation,
      maxSessions: config.maxSessionKeys ?? 1,
      stats: createTlsStats(scope),
    },
  };
}

export interface ConnectOptions {
  readonly timeoutMs: number;
  /** Overrides the ALPN list of the transport. */
  readonly alpn: readonly string[] | undefined;
  /** ALPN where the transport configures none: what the pool wants to speak. */
  readonly defaultAlpn: readonly string[];
  /** Of the transport's list what this connection does not speak. */
  readonly unspoken?: string | undefined;
  readonly sni: string | undefined;
  readonly localAddress: SourceAddresses | undefined;
  /** Whose connection this is for: what a PROXY protocol header says. Absent for the proxy's own. */
  readonly downstream?: ConnectionInfo | undefined;
}

export interface ConnectCallbacks {
  /** Bytes may flow; `alpn` is what TLS agreed on, empty otherwise. */
  connected(socket: Socket, alpn: string): void;
  /** Called once instead, or never after `connected`. `reason` is Envoy's text for the transport failure. */
  failed(reason: string, timedOut: boolean): void;
}

/** Starts connecting to a host and reports once. Destroy the returned socket to give up. */
export function connectUpstream(
  address: EndpointAddress,
  transport: UpstreamTransport,
  options: ConnectOptions,
  callbacks: ConnectCallbacks,
): { abandon(): void } {
  let settled = false;
  let socket: Socket | undefined;
  const timer = setTimeout(() => fail('', true), options.timeoutMs);
  const fail = (reason: string, timedOut = false): void => {
    if (settled) return;
    settled = true;
    clearTimeout(timer);
    socket?.destroy();
    callbacks.failed(reason, timedOut);
  };
  const { tls } = transport;
  const onEarlyError = (error: Error): void => {
    const system = tls === undefined ? systemFailure(error) : tlsSystemFailure(error);
    if (tls !== undefined && system === undefined && !settled) tls.stats.connectionError.add(1);
    fail(
      system ?? (tls === undefined ? `delayed connect error: ${error.message}` : handshakeFailure(error, !hasServerCertificate(socket))),
    );
  };
  const onEarlyClose = (): void => {
    if (tls !== undefined && !settled) tls.stats.connectionError.add(1);
    fail(tls === undefined ? 'remote connection closed' : '');
  };
  const done = (alpn: string): void => {
    if (settled || socket === undefined) return;
    settled = true;
    clearTimeout(timer);
    socket.off('error', onEarlyError);
    socket.off('close', onEarlyClose);
    if (transport.keepAlive !== undefined) socket.setKeepAlive(true, transport.keepAlive.idleMs);
    callbacks.connected(socket, alpn);
  };
  const target =
    address.kind === 'pipe'
      ? { path: address.path }
      : {
          host: address.address,
          port: address.port,
          noDelay: true,
          ...bindFor(options.localAddress, address.address),
        };
  try {
    const { proxyHeader } = transport;
    if (tls === undefined) {
      const plain = connectTcp({ ...target, allowHalfOpen: true });
      socket = plain;
      plain.once('connect', () => {
        if (proxyHeader !== undefined) plain.write(proxyHeader(plain, options.downstream));
        done('');
      });
    } else {
      const built = tls.context.current();
      if (built === undefined) throw new XebecError('E_TLS', 'TLS_error:_Secret_is_not_supplied_by_SDS');
      const configured = tls.context.alpn.length > 0 ? tls.context.alpn : options.defaultAlpn;
      const alpn = options.alpn ?? configured.filter((protocol) => protocol !== options.unspoken);
      const sni = options.sni ?? tls.sni;
      const sessionKey = `${addressText(address)}|${sni}`;
      const session = built.sessions.get(sessionKey);
      let below: Socket | undefined;
      if (proxyHeader !== undefined) {
        const plain = connectTcp(target);
        below = plain;
        plain.on('error', onEarlyError);
        // Queued before the handshake's first bytes: TLS writes only once the socket is connected.
        plain.once('connect', () => plain.write(proxyHeader(plain, options.downstream)));
      }
      const tlsSocket: TLSSocket = connectTls({
        ...(below === undefined ? target : { socket: below }),
        secureContext: built.secureContext,
        // Empty SNI, or an address, may not be sent (RFC 6066 section 3).
        servername: /^[\d.]*$|:/.test(sni) ? '' : sni,
        ...(alpn.length > 0 ? { ALPNProtocols: [...alpn] } : {}),
        ...(session === undefined ? {} : { session }),
        // Verified below, so that pins, names and reasons are Envoy's.
        rejectUnauthorized: false,
        checkServerIdentity: () => undefined,
      });
      socket = tlsSocket;
      // A resumed session is not verified again, so the session of a peer that failed must never be kept.
      let verified = false;
      let early: Buffer | undefined;
      const keep = (ticket: Buffer): void => {
        const { sessions } = built;
        const oldest = sessions.keys().next().value;
        if (sessions.size >= maxPeersWithSessions && oldest !== undefined) sessions.delete(oldest);
        sessions.set(sessionKey, ticket);
      };
      if (tls.maxSessions > 0)
        tlsSocket.on('session', (ticket) => {
          if (verified) keep(ticket);
          else early = ticket;
        });
      tlsSocket.once('secureConnect', () => {
        if (settled) return;
        const failure = built.verification.verify(tlsSocket, tls.stats, tls.validatesSni && sni !== '' ? sni : undefined);
        if (failure !== undefined) {
          built.sessions.delete(sessionKey);
          fail(failure);
          return;
        }
        verified = true;
        if (early !== undefined) keep(early);
        tls.stats.agreed(tlsSocket);
        done(typeof tlsSocket.alpnProtocol === 'string' ? tlsSocket.alpnProtocol : '');
      });
    }
    socket.on('error', onEarlyError);
    socket.on('close', onEarlyClose);
  } catch (error) {
    // Reported later, so that the caller has the handle first.
    queueMicrotask(() => fail(errorText(error)));
  }
  return {
    abandon() {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      socket?.on('error', () => undefined);
      socket?.destroy();
    },
  };
}

const systemTexts: Record<string, string> = {
  ECONNREFUSED: 'Connection refused',
  ECONNRESET: 'Connection reset by peer',
  EHOSTUNREACH: 'No route to host',
  ENETUNREACH: 'Network is unreachable',
  ETIMEDOUT: 'Connection timed out',
  ENOENT: 'No such file or directory',
  EADDRINUSE: 'Address already in use',
  EADDRNOTAVAIL: 'Cannot assign requested address',
};

/** Envoy's text for an error of the system; undefined for others. */
function systemFailure(error: Error): string | undefined {
  const code: unknown = Reflect.get(error, 'code');
  if (Reflect.get(error, 'syscall') === 'bind') return bindFailure(error, String(code));
  const system = typeof code === 'string' ? systemTexts[code] : undefined;
  return system === undefined ? undefined : `delayed connect error: ${system}`;
}

function bindFailure(error: Error, code: string): string {
  const [host, port] = [String(Reflect.get(error, 'address')), Number(Reflect.get(error, 'port') ?? 0)];
  // Of an address of another family Node says that it is invalid.
  const text = code === 'EINVAL' ? 'Address family not supported by protocol' : (systemTexts[code] ?? error.message);
  return `failed to bind to ${host.includes(':') ? `[${host}]` : host}:${port}: ${text}`;
}

/** Once the connection is there, what ends it comes through the TLS library: a reset with its words, an end without any. */
function tlsSystemFailure(error: Error): string | undefined {
  if (Reflect.get(error, 'code') !== 'ECONNRESET') return systemFailure(error);
  return Reflect.get(error, 'syscall') === 'read'
    ? 'TLS_error:|33554536:system library:OPENSSL_internal:Connection reset by peer:TLS_error_end'
    : '';
}

function hasServerCertificate(socket: Socket | undefined): boolean {
  return socket instanceof TLSSocket && socket.getPeerX509Certificate() !== undefined;
}

/** `address:port` of our own end. */
export function localAddressText(socket: Socket): string {
  return socket.localAddress === undefined ? '' : `${plainAddress(socket.localAddress)}:${socket.localPort ?? 0}`;
}
