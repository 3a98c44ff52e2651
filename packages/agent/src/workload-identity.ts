import type { Clock, Logger, Random } from '@xebec/core';
import { type CaConnectionOptions, caConnection } from './ca-connection.ts';
import { signOver } from './certificate-client.ts';
import { type CertificateManager, type CertificateManagerOptions, createCertificateManager } from './certificate-manager.ts';
import { type ClockWatch, createClockWatch } from './clock-watch.ts';
import type { TrustConsumer } from './trust-consumers.ts';
import { createTrustStore, ownRoots } from './trust-store.ts';
import { followTrust, type TrustStream } from './trust-stream.ts';
import { jwtSvidClient, type SignJwtSvid } from './workload-api/jwt-svid-client.ts';

export interface WorkloadIdentityOptions
  extends Omit<CaConnectionOptions, 'moreRoots' | 'clientCertificate'>,
    Pick<
      CertificateManagerOptions,
      'trustDomain' | 'requestedIds' | 'keyType' | 'keyFormat' | 'ttlMs' | 'graceRatio' | 'graceJitterRatio'
    > {
  /** The pod or node ID, by which Citadel tells one instance from another. */
  readonly instance: string;
  /** The signer that is to sign the certificate, where the CA has several. */
  readonly certSigner?: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** A certificate from the mesh's CA, and the mesh's trust, both followed as they change. */
export interface WorkloadIdentity {
  readonly certificates: CertificateManager;
  readonly clockWatch: ClockWatch;
  readonly signJwtSvid: SignJwtSvid;
  /** Reports to the CA what these use; call once, when they are there. A server that uses both itself has none. */
  follow(consumers: readonly TrustConsumer[]): TrustStream;
  close(): void;
}

/** Asks for the certificate at once, over a connection that the trust stream then shares. */
export function startIdentity(options: WorkloadIdentityOptions): WorkloadIdentity {
  const { clock, random, logger } = options;
  const trust = createTrustStore();
  const clockWatch = createClockWatch({ clock, logger });
  const stillValid = () => {
    const held = certificates?.current();
    return held !== undefined && held.notAfter > clock.now() + clockWatch.offsetMs() ? held : undefined;
  };
  const connection = caConnection({ ...options, moreRoots: () => ownRoots(trust), clientCertificate: stillValid });
  let certificates: CertificateManager | undefined;
  const manager = createCertificateManager({ ...options, signCsr: signOver(connection, options), trust, clockWatch });
  certificates = manager;
  const streams: TrustStream[] = [];
  return {
    certificates: manager,
    clockWatch,
    signJwtSvid: jwtSvidClient(connection),
    follow(consumers) {
      const stream = followTrust({
        connection,
        certificates: manager,
        consumers,
        instance: options.instance,
        clockWatch,
        clock,
        random,
        logger,
      });
      streams.push(stream);
      return stream;
    },
    close() {
      for (const stream of streams) stream.close();
      manager.close();
      connection.close();
    },
  };
}
