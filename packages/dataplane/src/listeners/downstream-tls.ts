import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { TransportSocket } from '@xebec/protos/envoy/config/core/v3/base';
import { DownstreamTlsContextSchema } from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/tls';
import type { Counter, StatsScope } from '@xebec/telemetry';
import { typeNameOf, unpack } from '../config/unpack.ts';
import { peerCertificateOf } from '../tls/peer-certificate.ts';
import type { SecretStore } from '../tls/secret-store.ts';
import { type BuiltContext, TlsContext } from '../tls/tls-context.ts';

/** The server side of TLS for one filter chain. */
export interface DownstreamTls {
  readonly context: TlsContext;
  readonly requireClientCertificate: boolean;
}

/** Undefined for plain bytes. Throws XebecError `E_CONFIG`. */
export function compileDownstreamTls(socket: TransportSocket | undefined, secrets: SecretStore, where: string): DownstreamTls | undefined {
  const any = socket?.configType.value;
  if (any === undefined || typeNameOf(any) === 'envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer') return undefined;
  const config = unpack(any, DownstreamTlsContextSchema, where);
  return {
    context: new TlsContext(config.commonTlsContext, secrets, where),
    requireClientCertificate: config.requireClientCertificate ?? false,
  };
}

export interface TlsStats {
  readonly handshake: Counter;
  readonly connectionError: Counter;
  readonly noCertificate: Counter;
  readonly failVerifySan: Counter;
  readonly failVerifyError: Counter;
}

export function createTlsStats(scope: StatsScope): TlsStats {
  return {
    handshake: scope.counter('ssl.handshake'),
    connectionError: scope.counter('ssl.connection_error'),
    noCertificate: scope.counter('ssl.no_certificate'),
    failVerifySan: scope.counter('ssl.fail_verify_san'),
    failVerifyError: scope.counter('ssl.fail_verify_error'),
  };
}

export interface HandshakeResult {
  readonly socket: TLSSocket;
  readonly alpn: string;
  readonly built: BuiltContext;
}

/**
 * Shakes hands on a socket whose first bytes were put back, and checks the client's certificate. `offered` is the client's ALPN list:
 * without a protocol in common none is chosen, where OpenSSL would refuse the connection.
 */
export function acceptTls(
  raw: Socket,
  tls: DownstreamTls,
  offered: readonly string[],
  stats: TlsStats,
  done: (result: HandshakeResult | undefined, detail: string) => void,
): void {
  const built = tls.context.current();
  if (built === undefined) {
    done(undefined, 'TLS secret is not ready');
    return;
  }
  const { alpn } = tls.context;
  const common = alpn.filter((protocol) => offered.includes(protocol));
  const socket = new TLSSocket(raw, {
    isServer: true,
    secureContext: built.secureContext,
    requestCert: tls.requireClientCertificate || built.verifiesPeer,
    rejectUnauthorized: false,
    ...(common.length > 0 ? { ALPNProtocols: common } : {}),
  });
  let settled = false;
  const finish = (result: HandshakeResult | undefined, detail: string): void => {
    if (settled) return;
    settled = true;
    socket.off('close', onClose);
    socket.off('error', onError);
    if (result === undefined) {
      socket.on('error', () => undefined);
      socket.destroy();
    }
    done(result, detail);
  };
  const onError = (error: Error): void => {
    stats.connectionError.add(1);
    finish(undefined, `TLS_error:|${error.message.replaceAll(/\s+/g, '_')}:TLS_error_end`);
  };
  const onClose = (): void => finish(undefined, 'closed during TLS handshake');
  socket.on('error', onError);
  socket.on('close', onClose);
  socket.once('secure', () => {
    const problem = verifyClient(socket, tls, built, stats);
    if (problem !== undefined) {
      finish(undefined, problem);
      return;
    }
    stats.handshake.add(1);
    finish({ socket, alpn: typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : '', built }, '');
  });
}

function verifyClient(socket: TLSSocket, tls: DownstreamTls, built: BuiltContext, stats: TlsStats): string | undefined {
  const peer = peerCertificateOf(socket);
  if (peer === undefined) {
    stats.noCertificate.add(1);
    return tls.requireClientCertificate ? 'peer did not return a certificate' : undefined;
  }
  if (!built.verifiesPeer) return undefined;
  const error = chainError(socket);
  if (error !== undefined) {
    stats.failVerifyError.add(1);
    return `certificate verify failed: ${error}`;
  }
  if (built.allowsPeer(peer)) return undefined;
  stats.failVerifySan.add(1);
  return 'certificate verify failed: verify SAN list';
}

/** OpenSSL's verdict on the client's chain; node:tls reports it only for its own servers, so it is read from the handle. */
function chainError(socket: TLSSocket): string | undefined {
  const handle: unknown = Reflect.get(socket, '_handle');
  const verify: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'verifyError') : undefined;
  if (typeof verify !== 'function') return 'cannot tell';
  const error: unknown = Reflect.apply(verify, handle, []);
  if (error === null || error === undefined) return undefined;
  return error instanceof Error ? error.message : String(error);
}
