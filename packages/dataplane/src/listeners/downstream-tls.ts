import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import { type SecureContext, TLSSocket } from 'node:tls';
import { durationMs } from '@xebec/matching';
import type { DataSource, TransportSocket } from '@xebec/protos/envoy/config/core/v3/base';
import { type DownstreamTlsContext, DownstreamTlsContextSchema } from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/tls';
import { typeNameOf, unpack } from '../config/unpack.ts';
import { handshakeFailure, noPeerCertificate } from '../tls/failure-text.ts';
import { readDataSource, type SecretStore } from '../tls/secret-store.ts';
import { type BuiltContext, type SessionOptions, TlsContext } from '../tls/tls-context.ts';
import type { TlsStats } from '../tls/tls-stats.ts';

export { createTlsStats, type TlsStats } from '../tls/tls-stats.ts';

/** The server side of TLS for one filter chain. */
export interface DownstreamTls {
  readonly context: TlsContext;
  readonly requireClientCertificate: boolean;
  readonly requireSni: boolean;
}

/** Undefined for plain bytes. Throws XebecError `E_CONFIG`. */
export function compileDownstreamTls(socket: TransportSocket | undefined, secrets: SecretStore, where: string): DownstreamTls | undefined {
  const any = socket?.configType.value;
  if (any === undefined || typeNameOf(any) === 'envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer') return undefined;
  const config = unpack(any, DownstreamTlsContextSchema, where);
  return {
    context: new TlsContext(config.commonTlsContext, secrets, where, 'server', sessionOptions(config, secrets)),
    requireClientCertificate: config.requireClientCertificate ?? false,
    requireSni: config.requireSni ?? false,
  };
}

function sessionOptions(config: DownstreamTlsContext, secrets: SecretStore): SessionOptions {
  const kind = config.sessionTicketKeysType;
  const handle = kind.case === 'sessionTicketKeysSdsSecretConfig' ? secrets.handle(kind.value.name, kind.value.sdsConfig) : undefined;
  const keys = (): readonly DataSource[] => {
    if (kind.case === 'sessionTicketKeys') return kind.value.keys;
    const type = handle?.current?.type;
    return type?.case === 'sessionTicketKeys' ? type.value.keys : [];
  };
  return {
    // Envoy's keys have 80 bytes, OpenSSL's 48: made from the first, so that proxies with the same keys resume each other's sessions.
    ticketKeys() {
      const first = readDataSource(keys()[0]);
      return first === undefined ? undefined : createHash('sha384').update(first).digest();
    },
    stateless: !(kind.case === 'disableStatelessSessionResumption' && kind.value),
    timeoutS: config.sessionTimeout === undefined ? undefined : Math.floor(durationMs(config.sessionTimeout) / 1000),
    clientOrder: config.preferClientCiphers,
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
  let built: BuiltContext | undefined;
  try {
    built = tls.context.current();
  } catch {
    // Files that have been replaced by what is no certificate: this connection cannot be served, and others go on.
    stats.connectionError.add(1);
    done(undefined, 'TLS_error:_Secret_is_not_supplied_by_SDS');
    return;
  }
  if (built === undefined) {
    done(undefined, 'TLS_error:_Secret_is_not_supplied_by_SDS');
    return;
  }
  const { alpn } = tls.context;
  const common = alpn.filter((protocol) => offered.includes(protocol));
  const { contextFor, verification } = built;
  const required = tls.requireClientCertificate || verification.needsCertificate;
  const socket = new TLSSocket(raw, {
    isServer: true,
    secureContext: built.secureContext,
    requestCert: required || verification.wantsCertificate,
    // The handshake itself ends where a required certificate is missing; what is in it is checked below.
    rejectUnauthorized: required,
    ...(contextFor === undefined
      ? {}
      : {
          SNICallback: (serverName: string, callback: (error: Error | null, context?: SecureContext) => void) =>
            callback(null, contextFor(serverName)),
        }),
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
    const text = handshakeFailure(error);
    (text.includes(noPeerCertificate) ? stats.failVerifyNoCert : stats.connectionError).add(1);
    finish(undefined, text);
  };
  const onClose = (): void => finish(undefined, '');
  socket.on('error', onError);
  socket.on('close', onClose);
  socket.once('secure', () => {
    const serverName: unknown = Reflect.get(socket, 'servername');
    const failure =
      tls.requireSni && (typeof serverName !== 'string' || serverName === '') ? 'SNI is missing' : built.verification.verify(socket, stats);
    if (failure !== undefined) {
      finish(undefined, failure);
      return;
    }
    stats.agreed(socket);
    finish({ socket, alpn: typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : '', built }, '');
  });
}
