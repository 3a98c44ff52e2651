import type { TLSSocket } from 'node:tls';
import type { Counter, StatsScope } from '@xebec/telemetry';

/** `ssl.*` of a listener or cluster. */
export interface TlsStats {
  readonly handshake: Counter;
  readonly connectionError: Counter;
  readonly noCertificate: Counter;
  readonly failVerifyNoCert: Counter;
  readonly failVerifySan: Counter;
  readonly failVerifyError: Counter;
  readonly failVerifyCertHash: Counter;
  /** A finished handshake: what was agreed on. */
  agreed(socket: TLSSocket): void;
}

export function createTlsStats(parent: StatsScope): TlsStats {
  const scope = parent.scope('ssl');
  const handshake = scope.counter('handshake');
  const sessionReused = scope.counter('session_reused');
  for (const unused of unusedCounters) scope.counter(unused);
  return {
    handshake,
    connectionError: scope.counter('connection_error'),
    noCertificate: scope.counter('no_certificate'),
    failVerifyNoCert: scope.counter('fail_verify_no_cert'),
    failVerifySan: scope.counter('fail_verify_san'),
    failVerifyError: scope.counter('fail_verify_error'),
    failVerifyCertHash: scope.counter('fail_verify_cert_hash'),
    agreed(socket) {
      handshake.add(1);
      if (socket.isSessionReused()) sessionReused.add(1);
      scope.counter(`versions.${socket.getProtocol() ?? ''}`).add(1);
      scope.counter(`ciphers.${socket.getCipher().name}`).add(1);
      // OpenSSL tells the curve on the client's side only, and not of resumed sessions.
      const key: object | null = socket.getEphemeralKeyInfo();
      const curve: unknown = key === null ? undefined : Reflect.get(key, 'name');
      if (typeof curve === 'string') scope.counter(`curves.${curveNames[curve] ?? curve}`).add(1);
    },
  };
}

const unusedCounters = ['ocsp_staple_failed', 'ocsp_staple_omitted', 'ocsp_staple_requests', 'ocsp_staple_responses'];

/** BoringSSL's names. */
const curveNames: Readonly<Record<string, string>> = { prime256v1: 'P-256', secp384r1: 'P-384', secp521r1: 'P-521' };
