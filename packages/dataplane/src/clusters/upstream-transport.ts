import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { errorText, XebecError } from '@xebec/core';
import type { TransportSocket } from '@xebec/protos/envoy/config/core/v3/base';
import { ProxyProtocolUpstreamTransportSchema } from '@xebec/protos/envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol';
import { UpstreamTlsContextSchema } from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/tls';
import type { ConnectionInfo } from '@xebec/telemetry';
import { typeNameOf, unpack } from '../config/unpack.ts';
import { type EndpointAddress, plainAddress } from '../net/endpoint-address.ts';
import { describeCertificate } from '../tls/peer-certificate.ts';
import type { SecretStore } from '../tls/secret-store.ts';
import { TlsContext } from '../tls/tls-context.ts';
import { compileProxyHeader, type ProxyHeaderWriter } from './proxy-header.ts';

/** How bytes reach a host: plain, or TLS with these secrets and names. */
export interface UpstreamTransport {
  readonly tls: { readonly context: TlsContext; readonly sni: string } | undefined;
  /** Writes a PROXY protocol header first, before TLS too. */
  readonly proxyHeader?: ProxyHeaderWriter;
}

export const plainTransport: UpstreamTransport = { tls: undefined };

const plainTypes = new Set([
  'envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer',
  'envoy.extensions.transport_sockets.tcp_stats.v3.Config',
]);

/** Compiles a cluster's transport socket; throws XebecError `E_CONFIG` for kinds that are not known. */
export function compileUpstreamTransport(socket: TransportSocket | undefined, secrets: SecretStore, where: string): UpstreamTransport {
  const any = socket?.configType.value;
  if (any !== undefined && typeNameOf(any) === ProxyProtocolUpstreamTransportSchema.typeName) {
    const config = unpack(any, ProxyProtocolUpstreamTransportSchema, where);
    if (config.transportSocket === undefined) throw new XebecError('E_CONFIG', `${where}: transport_socket is missing`);
    const inner = compileUpstreamTransport(config.transportSocket, secrets, `${where}.transport_socket`);
    return { ...inner, proxyHeader: compileProxyHeader(config.config) };
  }
  if (any === undefined || plainTypes.has(typeNameOf(any))) return plainTransport;
  const config = unpack(any, UpstreamTlsContextSchema, where);
  return { tls: { context: new TlsContext(config.commonTlsContext, secrets, where), sni: config.sni } };
}

export interface ConnectOptions {
  readonly timeoutMs: number;
  /** Overrides the ALPN list of the transport. */
  readonly alpn: readonly string[] | undefined;
  /** ALPN where the transport configures none: what the pool wants to speak. */
  readonly defaultAlpn: readonly string[];
  readonly sni: string | undefined;
  readonly localAddress: string | undefined;
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
  const timer = setTimeout(() => fail('connection timeout', true), options.timeoutMs);
  const fail = (reason: string, timedOut = false): void => {
    if (settled) return;
    settled = true;
    clearTimeout(timer);
    socket?.destroy();
    callbacks.failed(reason, timedOut);
  };
  const onEarlyError = (error: Error): void => fail(transportFailure(error, transport.tls !== undefined));
  const onEarlyClose = (): void => fail(transport.tls === undefined ? 'remote connection closed' : 'TLS handshake cut short');
  const done = (alpn: string): void => {
    if (settled || socket === undefined) return;
    settled = true;
    clearTimeout(timer);
    socket.off('error', onEarlyError);
    socket.off('close', onEarlyClose);
    callbacks.connected(socket, alpn);
  };
  const target =
    address.kind === 'pipe'
      ? { path: address.path }
      : {
          host: address.address,
          port: address.port,
          noDelay: true,
          ...(options.localAddress === undefined ? {} : { localAddress: options.localAddress }),
        };
  try {
    const { proxyHeader } = transport;
    if (transport.tls === undefined) {
      const plain = connectTcp({ ...target, allowHalfOpen: true });
      socket = plain;
      plain.once('connect', () => {
        if (proxyHeader !== undefined) plain.write(proxyHeader(plain, options.downstream));
        done('');
      });
    } else {
      const built = transport.tls.context.current();
      if (built === undefined) throw new XebecError('E_TLS', 'TLS error: Secret is not supplied by SDS');
      const alpn = options.alpn ?? (transport.tls.context.alpn.length > 0 ? transport.tls.context.alpn : options.defaultAlpn);
      const sni = options.sni ?? transport.tls.sni;
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
        rejectUnauthorized: built.verifiesPeer,
        // Trust is in the SAN matchers, not in the name that was dialled.
        checkServerIdentity: (_, certificate) => {
          const x509 = tlsSocket.getPeerX509Certificate();
          if (x509 === undefined || certificate.raw === undefined) return new Error('peer presented no certificate');
          return built.allowsPeer(describeCertificate(x509)) ? undefined : new Error('verify SAN list');
        },
      });
      socket = tlsSocket;
      tlsSocket.once('secureConnect', () => done(typeof tlsSocket.alpnProtocol === 'string' ? tlsSocket.alpnProtocol : ''));
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
  EADDRNOTAVAIL: 'Cannot assign requested address',
};

function transportFailure(error: Error, tls: boolean): string {
  const code: unknown = Reflect.get(error, 'code');
  const system = typeof code === 'string' ? systemTexts[code] : undefined;
  if (system !== undefined) return `delayed connect error: ${system}`;
  if (!tls) return `delayed connect error: ${error.message}`;
  return `TLS_error:|${typeof code === 'string' ? code : 'error'}:${error.message.replaceAll(/\s+/g, '_')}:TLS_error_end`;
}

/** `address:port` of our own end. */
export function localAddressText(socket: Socket): string {
  return socket.localAddress === undefined ? '' : `${plainAddress(socket.localAddress)}:${socket.localPort ?? 0}`;
}
