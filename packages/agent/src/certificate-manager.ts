import { Backoff, type Clock, errorText, type Logger, type Random, XebecError } from '@xebec/core';
import { type Certificate, createCsr, generateKeys, type KeyType, parseCertificates, parseSpiffeId, unwrap } from '@xebec/identity';
import type { SignCsr } from './certificate-client.ts';
import type { ClockWatch } from './clock-watch.ts';
import { certificatesOf } from './issuing-roots.ts';
import { createTrustStore, type TrustStore, trustOf } from './trust-store.ts';

/** A certificate in use: PEM texts, and its life in milliseconds since the epoch. */
export interface WorkloadCertificate {
  readonly privateKeyPem: string;
  /** Leaf, then intermediates. */
  readonly certificateChainPem: string;
  /** The roots that came with it. What to trust is the trust store's to say. */
  readonly rootPem: string;
  readonly serialNumber: string;
  readonly notBefore: number;
  readonly notAfter: number;
}

export interface CertificateManagerOptions {
  readonly signCsr: SignCsr;
  /** Where the roots of the CA's answers go; a store of its own by default. */
  readonly trust?: TrustStore;
  /** Of the roots, where the certificate's own name does not say it. */
  readonly trustDomain?: string;
  /** Names that requests ask for: the mesh's CA does not read them, a signer behind it grants what is asked. */
  readonly requestedIds?: readonly string[];
  readonly keyType?: KeyType;
  /** How the key is written: PKCS #8 (the default), else PKCS #1 for RSA and SEC 1 for curves. */
  readonly keyFormat?: 'pkcs8' | 'traditional';
  readonly ttlMs?: number;
  /** Share of the life that is left when a new certificate is fetched, and how much that varies to either side. */
  readonly graceRatio?: number;
  readonly graceJitterRatio?: number;
  /** The CA's clock, by which the life of its certificates runs. */
  readonly clockWatch?: ClockWatch;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Requests to the CA since the start. */
export interface CertificateStatistics {
  readonly requests: number;
  readonly failures: number;
  /** Of all requests together, in milliseconds. */
  readonly latencyMs: number;
  /** Certificates that replaced one. */
  readonly rotations: number;
}

export interface CertificateManager {
  readonly trust: TrustStore;
  /** The certificate in use, undefined before the first. An expired one is still returned: TLS peers are the judges. */
  current(): WorkloadCertificate | undefined;
  /** Resolves at the first certificate, or at once when there is one; rejects when closed before. */
  ready(): Promise<WorkloadCertificate>;
  /** Calls back on each new certificate; returns the unsubscriber. */
  subscribe(listener: (certificate: WorkloadCertificate) => void): () => void;
  /** Fetches a new certificate at a random moment within this time, or at the planned one where that is earlier. */
  renew(reason: string, withinMs: number): void;
  /** Why the last attempt failed, undefined when it did not. */
  lastError(): string | undefined;
  statistics(): CertificateStatistics;
  close(): void;
}

const BACKOFF = { baseMs: 100, maxMs: 10_000 };
/** The longest delay that Node's timers take. */
const MAX_TIMER_MS = 2 ** 31 - 1;
/** A life too short to halve must not become a busy loop. */
const MIN_PERIOD_MS = 1000;

type Machine =
  | { readonly state: 'asking'; readonly again?: number }
  | { readonly state: 'planned'; readonly atMs: number; readonly cancel: () => void }
  | { readonly state: 'backing-off'; readonly cancel: () => void }
  | { readonly state: 'closed' };

/**
 * Keeps a workload's certificate fresh: a new key and request for each, at half of the life (± 1 %), with exponential back-off
 * while the CA is away; the old one serves on meanwhile. Starts at once.
 */
export function createCertificateManager(options: CertificateManagerOptions): CertificateManager {
  const { clock, random, logger, clockWatch } = options;
  const trust = options.trust ?? createTrustStore();
  const ttlMs = options.ttlMs ?? 24 * 3_600_000;
  const backoff = new Backoff(BACKOFF, random);
  const listeners = new Set<(certificate: WorkloadCertificate) => void>();
  const waiting = new Set<{ resolve(certificate: WorkloadCertificate): void; reject(error: Error): void }>();
  const counts = { requests: 0, failures: 0, latencyMs: 0, rotations: 0 };
  let current: WorkloadCertificate | undefined;
  let failure: string | undefined;
  let expiryTold = false;
  let machine: Machine = { state: 'asking' };

  const caNow = () => clock.now() + (clockWatch?.offsetMs() ?? 0);
  const plan = (delayMs: number) => {
    const wait = Math.min(Math.max(0, delayMs), MAX_TIMER_MS);
    machine = { state: 'planned', atMs: clock.monotonic() + wait, cancel: clock.setTimeout(() => void attempt(), wait) };
  };
  /** At the expiry less the grace, which is a share of the life as it was when the certificate came. */
  const planRotation = (certificate: WorkloadCertificate, lifeMs: number) => {
    const jitter = (random.next() * 2 - 1) * (options.graceJitterRatio ?? 0.01);
    const grace = Math.min(1, Math.max(0, (options.graceRatio ?? 0.5) + jitter)) * lifeMs;
    plan(Math.max(MIN_PERIOD_MS, certificate.notAfter - grace - caNow()));
  };
  const take = (fresh: WorkloadCertificate, leaf: Certificate) => {
    if (current !== undefined) counts.rotations++;
    current = fresh;
    backoff.reset();
    if (failure !== undefined) logger.info({ serialNumber: fresh.serialNumber }, 'the CA answers again');
    failure = undefined;
    expiryTold = false;
    logger.info({ serialNumber: fresh.serialNumber, notAfter: new Date(fresh.notAfter).toISOString() }, 'new certificate');
    clockWatch?.noteFresh(fresh);
    const again = machine.state === 'asking' ? machine.again : undefined;
    const lifeMs = fresh.notAfter - caNow();
    if (again === undefined) planRotation(fresh, lifeMs);
    else plan(again);
    // Who is told of the certificate must know the roots that came with it already.
    trust.set('ca-answer', trustOf(trustDomainOf(leaf) ?? options.trustDomain ?? 'cluster.local', fresh.rootPem));
    for (const waiter of waiting) waiter.resolve(fresh);
    waiting.clear();
    for (const listener of [...listeners]) listener(fresh);
  };
  const attempt = async () => {
    machine = { state: 'asking' };
    const startedMs = clock.monotonic();
    counts.requests++;
    try {
      const { certificate, leaf } = await fetchCertificate(options, ttlMs);
      counts.latencyMs += clock.monotonic() - startedMs;
      if (closed()) return;
      take(certificate, leaf);
    } catch (error) {
      counts.latencyMs += clock.monotonic() - startedMs;
      counts.failures++;
      if (closed()) return;
      const text = errorText(error);
      if (failure !== text)
        logger.warn({ code: error instanceof XebecError ? error.code : 'E_CA_REQUEST' }, `no new certificate, trying on: ${text}`);
      failure = text;
      if (current !== undefined && !expiryTold && current.notAfter <= caNow()) {
        expiryTold = true;
        logger.error({ code: 'E_CERTIFICATE_EXPIRED', serialNumber: current.serialNumber }, 'the certificate has expired and serves on');
      }
      machine = { state: 'backing-off', cancel: clock.setTimeout(() => void attempt(), backoff.nextMs()) };
    }
  };
  const closed = () => machine.state === 'closed';
  // The life runs by the CA's clock: when that turns out to be another, so does the plan.
  const unwatch = clockWatch?.subscribe(() => {
    if (machine.state !== 'planned' || current === undefined) return;
    machine.cancel();
    planRotation(current, Math.min(ttlMs, Math.max(0, current.notAfter - current.notBefore)));
  });
  void attempt();

  return {
    trust,
    current: () => current,
    ready: () =>
      current !== undefined ? Promise.resolve(current) : new Promise((resolve, reject) => void waiting.add({ resolve, reject })),
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    renew(reason, withinMs) {
      const delayMs = random.next() * Math.max(0, withinMs);
      // One that is asked for already may be of before the reason came up.
      if (machine.state === 'asking') machine = { ...machine, again: Math.min(delayMs, machine.again ?? delayMs) };
      if (machine.state !== 'planned' || machine.atMs <= clock.monotonic() + delayMs) return;
      logger.info({ reason: reason.slice(0, 200) }, `the certificate is renewed before its time, in ${Math.round(delayMs)} ms`);
      machine.cancel();
      plan(delayMs);
    },
    lastError: () => failure,
    statistics: () => ({ ...counts }),
    close() {
      if (machine.state === 'planned' || machine.state === 'backing-off') machine.cancel();
      machine = { state: 'closed' };
      unwatch?.();
      listeners.clear();
      for (const waiter of waiting)
        waiter.reject(new XebecError('E_CLOSED', 'the certificate manager was closed before its first certificate'));
      waiting.clear();
    },
  };
}

function trustDomainOf(leaf: Certificate): string | undefined {
  const [uri] = leaf.extensions.subjectAltNames?.uris ?? [];
  const id = uri === undefined ? undefined : parseSpiffeId(uri);
  return id?.ok === true ? id.value.trustDomain : undefined;
}

async function fetchCertificate(
  options: CertificateManagerOptions,
  ttlMs: number,
): Promise<{ readonly certificate: WorkloadCertificate; readonly leaf: Certificate }> {
  const keyType = options.keyType ?? 'ecdsa-p256';
  const keys = await generateKeys(keyType);
  const chain = await options.signCsr(createCsr(keys, options.requestedIds), Math.ceil(ttlMs / 1000));
  const rootPem = chain.at(-1);
  if (rootPem === undefined || chain.length < 2)
    throw new XebecError('E_CA_ANSWER', `the CA answered ${chain.length} certificates; leaf and root are needed`);
  const certificateChainPem = chain
    .slice(0, -1)
    .map((pem) => `${pem.trim()}\n`)
    .join('');
  const [leaf] = unwrap(parseCertificates(certificateChainPem));
  // Reports on trust look at the same root.
  if (certificatesOf(rootPem).length === 0) unwrap(parseCertificates(rootPem));
  if (leaf === undefined || !keys.publicKey.equals(leaf.publicKey))
    throw new XebecError('E_CA_ANSWER', "the CA's certificate is for another key");
  const traditional = options.keyFormat === 'traditional' && keyType !== 'ed25519';
  const type = !traditional ? 'pkcs8' : keyType.startsWith('rsa') ? 'pkcs1' : 'sec1';
  const certificate = {
    privateKeyPem: keys.privateKey.export({ format: 'pem', type }).toString(),
    certificateChainPem,
    rootPem,
    serialNumber: leaf.serialNumber,
    notBefore: leaf.notBefore,
    notAfter: leaf.notAfter,
  };
  return { certificate, leaf };
}
