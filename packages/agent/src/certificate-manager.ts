import { Backoff, type Clock, errorText, type Logger, type Random, XebecError } from '@xebec/core';
import { createCsr, generateKeys, type KeyType, parseCertificates, unwrap } from '@xebec/identity';
import type { SignCsr } from './certificate-client.ts';

/** A certificate in use: PEM texts, and its life in milliseconds since the epoch. */
export interface WorkloadCertificate {
  readonly privateKeyPem: string;
  /** Leaf, then intermediates. */
  readonly certificateChainPem: string;
  readonly rootPem: string;
  readonly serialNumber: string;
  readonly notBefore: number;
  readonly notAfter: number;
}

export interface CertificateManagerOptions {
  readonly signCsr: SignCsr;
  readonly keyType?: KeyType;
  readonly ttlMs?: number;
  /** Share of the life after which a new certificate is fetched, and how much that varies. */
  readonly rotateAtRatio?: number;
  readonly rotateJitterRatio?: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export interface CertificateManager {
  /** The certificate in use, undefined before the first. An expired one is still returned: TLS peers are the judges. */
  current(): WorkloadCertificate | undefined;
  /** Resolves at the first certificate, or at once when there is one; rejects when closed before. */
  ready(): Promise<WorkloadCertificate>;
  /** Calls back on each new certificate; returns the unsubscriber. */
  subscribe(listener: (certificate: WorkloadCertificate) => void): () => void;
  /** Why the last attempt failed, undefined when it did not. */
  lastError(): string | undefined;
  close(): void;
}

const BACKOFF = { baseMs: 100, maxMs: 10_000 };
/** The longest delay that Node's timers take. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Keeps a workload's certificate fresh: a new key and request for each, at half of the life (± 1 %), with exponential back-off
 * while the CA is away; the old one serves on meanwhile. Starts at once.
 */
export function createCertificateManager(options: CertificateManagerOptions): CertificateManager {
  const { clock, random, logger } = options;
  const ttlMs = options.ttlMs ?? 24 * 3_600_000;
  const backoff = new Backoff(BACKOFF, random);
  const listeners = new Set<(certificate: WorkloadCertificate) => void>();
  const waiting = new Set<{ resolve(certificate: WorkloadCertificate): void; reject(error: Error): void }>();
  let current: WorkloadCertificate | undefined;
  let failure: string | undefined;
  let closed = false;
  let cancel: () => void = () => undefined;

  const schedule = (delayMs: number) => {
    cancel = clock.setTimeout(() => void attempt(), Math.min(Math.max(0, delayMs), MAX_TIMER_MS));
  };
  const attempt = async () => {
    try {
      const fresh = await fetchCertificate(options.signCsr, options.keyType ?? 'ecdsa-p256', ttlMs);
      if (closed) return;
      current = fresh;
      backoff.reset();
      if (failure !== undefined) logger.info({ serialNumber: fresh.serialNumber }, 'the CA answers again');
      failure = undefined;
      logger.info({ serialNumber: fresh.serialNumber, notAfter: new Date(fresh.notAfter).toISOString() }, 'new certificate');
      const lifeMs = fresh.notAfter - clock.now();
      const jitter = (random.next() * 2 - 1) * (options.rotateJitterRatio ?? 0.01);
      // A life too short to halve must not become a busy loop.
      schedule(Math.max(1000, lifeMs * ((options.rotateAtRatio ?? 0.5) + jitter)));
      for (const waiter of waiting) waiter.resolve(fresh);
      waiting.clear();
      for (const listener of [...listeners]) listener(fresh);
    } catch (error) {
      if (closed) return;
      const text = errorText(error);
      if (failure !== text)
        logger.warn({ code: error instanceof XebecError ? error.code : 'E_CA_REQUEST' }, `no new certificate, trying on: ${text}`);
      failure = text;
      schedule(backoff.nextMs());
    }
  };
  void attempt();

  return {
    current: () => current,
    ready: () =>
      current !== undefined ? Promise.resolve(current) : new Promise((resolve, reject) => void waiting.add({ resolve, reject })),
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    lastError: () => failure,
    close() {
      closed = true;
      cancel();
      listeners.clear();
      for (const waiter of waiting)
        waiter.reject(new XebecError('E_CLOSED', 'the certificate manager was closed before its first certificate'));
      waiting.clear();
    },
  };
}

async function fetchCertificate(signCsr: SignCsr, keyType: KeyType, ttlMs: number): Promise<WorkloadCertificate> {
  const keys = await generateKeys(keyType);
  const chain = await signCsr(createCsr(keys), Math.ceil(ttlMs / 1000));
  const rootPem = chain.at(-1);
  if (rootPem === undefined || chain.length < 2)
    throw new XebecError('E_CA_ANSWER', `the CA answered ${chain.length} certificates; leaf and root are needed`);
  const certificateChainPem = chain
    .slice(0, -1)
    .map((pem) => `${pem.trim()}\n`)
    .join('');
  const [leaf] = unwrap(parseCertificates(certificateChainPem));
  unwrap(parseCertificates(rootPem));
  if (leaf === undefined || !keys.publicKey.equals(leaf.publicKey))
    throw new XebecError('E_CA_ANSWER', "the CA's certificate is for another key");
  return {
    privateKeyPem: keys.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
    certificateChainPem,
    rootPem,
    serialNumber: leaf.serialNumber,
    notBefore: leaf.notBefore,
    notAfter: leaf.notAfter,
  };
}
