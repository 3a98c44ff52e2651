import { create } from '@bufbuild/protobuf';
import { type ClientDuplexStream, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { Backoff, type Clock, errorText, type Logger, type Random } from '@xebec/core';
import { encodePem, parseCertificate } from '@xebec/identity';
import { type TrustInstruction, type TrustReport, TrustReportSchema, TrustService } from '@xebec/protos/xebec/identity/v1/trust';
import { methodDefinition } from '@xebec/rpc';
import type { CaCall, CaConnection } from './ca-connection.ts';
import type { CertificateManager } from './certificate-manager.ts';
import type { ClockWatch } from './clock-watch.ts';
import { certificatesOf, fingerprintOf, issuingRoots } from './issuing-roots.ts';
import { inUse, type TrustConsumer } from './trust-consumers.ts';
import { ownRoots, type TrustSnapshot } from './trust-store.ts';

export interface TrustStreamOptions {
  readonly connection: CaConnection;
  /** Its store gets the bundles, and it renews when told to. */
  readonly certificates: CertificateManager;
  readonly consumers: readonly TrustConsumer[];
  /** The pod or node ID. */
  readonly instance: string;
  readonly clockWatch: ClockWatch;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export interface TrustStream {
  connected(): boolean;
  close(): void;
}

const BACKOFF = { baseMs: 250, maxMs: 15_000 };
/** A CA without this service may be replaced by one that has it. */
const UNIMPLEMENTED_RETRY_MS = 5 * 60_000;
/** After the first certificate: where many workloads start at once, their certificates come before their reports. */
const FIRST_WITHIN_MS = 1500;
/**
 * A connection to a CA that was replaced meanwhile can hang for two minutes: its packets go to an address where nobody is, and TCP goes on
 * trying. The first instruction comes within milliseconds from one that is there.
 */
const ANSWER_MS = 10_000;
const MAX_BUNDLES = 256;
const MAX_ROOTS = 64;
const MAX_CRLS = 64;

/**
 * Follows Citadel's TrustService: puts its bundles into the trust store, renews the certificate when told to, and reports what the data
 * plane uses by now. Starts with the first certificate. A CA that has no such service is left alone, as Istio's agents do.
 */
export function followTrust(options: TrustStreamOptions): TrustStream {
  const { certificates, clock, logger } = options;
  const method = methodDefinition(TrustService.method.followTrust);
  const backoff = new Backoff(BACKOFF, options.random);
  let stream: ClientDuplexStream<TrustReport, TrustInstruction> | undefined;
  let connected = false;
  let closed = false;
  let tries = 0;
  let away: string | undefined;
  let cancelRetry: () => void = () => undefined;
  let lastReport = '';
  let problem = '';

  const report = () => {
    if (stream === undefined) return;
    const fields = reportOf(options, problem);
    const text = JSON.stringify(fields, (_key, value: unknown) => (typeof value === 'bigint' ? value.toString() : value));
    if (text === lastReport) return;
    lastReport = text;
    stream.write(create(TrustReportSchema, { ...fields, clockMs: BigInt(Math.round(clock.now())) }));
  };
  let scheduled = false;
  // One cause often changes several things at once.
  const reportSoon = () => {
    if (scheduled) return;
    scheduled = true;
    queueMicrotask(() => {
      scheduled = false;
      report();
    });
  };
  const follow = (instruction: TrustInstruction) => {
    options.clockWatch.note(Number(instruction.clockMs));
    backoff.reset();
    const snapshot = snapshotOf(instruction);
    problem = typeof snapshot === 'string' ? snapshot : '';
    if (typeof snapshot === 'string') logger.warn({ code: 'E_TRUST_BUNDLE' }, `the CA's trust bundle is not taken: ${snapshot}`);
    else certificates.trust.set('trust-stream', snapshot);
    const { renew } = instruction;
    if (renew !== undefined && problem === '' && !leadsTo(certificates, renew.wantedRootFingerprint))
      certificates.renew(renew.reason, renew.withinMs);
    // Also when nothing has changed: the CA waits for the answer to this version.
    reportSoon();
  };
  const retry = (delayMs: number) => {
    if (!closed) cancelRetry = clock.setTimeout(() => void open(), delayMs);
  };
  const lost = (error: ServiceError) => {
    if (error.code === status.UNIMPLEMENTED) {
      certificates.trust.clear('trust-stream');
      retry(UNIMPLEMENTED_RETRY_MS);
      return;
    }
    // The CA ends streams now and then, to be shown who is there: one that is open again at once is no news.
    if (++tries > 1 && away === undefined) {
      logger.warn({ code: error.code }, `the trust stream broke, trying on: ${error.details}`);
      away = error.details;
    }
    retry(backoff.nextMs());
  };
  const open = async () => {
    let call: CaCall;
    try {
      call = await options.connection.open('token');
    } catch (error) {
      if (away === undefined) logger.warn({}, `no trust stream, trying on: ${errorText(error)}`);
      away = errorText(error);
      retry(backoff.nextMs());
      return;
    }
    if (closed) {
      call.release();
      return;
    }
    // methodDefinition decodes every message; bytes are what servers may send.
    const opened = call.client.makeBidiStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      call.metadata,
    ) as ClientDuplexStream<TrustReport, TrustInstruction>;
    stream = opened;
    lastReport = '';
    let over = false;
    const cancelWait = clock.setTimeout(() => {
      end(failure(status.DEADLINE_EXCEEDED, `the CA has not answered in ${ANSWER_MS / 1000} s`), true);
      opened.cancel();
    }, ANSWER_MS);
    const end = (error: ServiceError, unanswered = false) => {
      if (over) return;
      over = true;
      cancelWait();
      connected = false;
      stream = undefined;
      call.release(unanswered);
      if (!closed) lost(error);
    };
    opened.on('data', (instruction: TrustInstruction) => {
      cancelWait();
      if (over) return;
      connected = true;
      tries = 0;
      if (away !== undefined) logger.info({}, 'the trust stream is open again');
      away = undefined;
      follow(instruction);
    });
    opened.on('error', (error: ServiceError) => end(error));
    opened.on('end', () => end(failure(status.UNAVAILABLE, 'the CA ended it')));
    report();
  };

  const stops = [
    certificates.subscribe(reportSoon),
    certificates.trust.subscribe(reportSoon),
    ...options.consumers.map((consumer) => consumer.subscribe(reportSoon)),
  ];
  certificates.ready().then(
    () => retry(options.random.next() * FIRST_WITHIN_MS),
    () => undefined,
  );
  return {
    connected: () => connected,
    close() {
      closed = true;
      cancelRetry();
      for (const stop of stops) stop();
      stream?.cancel();
    },
  };
}

function failure(code: status, details: string): ServiceError {
  return Object.assign(new Error(details), { code, details, metadata: new Metadata() });
}

function reportOf({ certificates, consumers, instance }: TrustStreamOptions, problem: string) {
  const held = { trust: certificates.trust.current(), certificate: certificates.current() };
  const used = inUse(consumers, held);
  const versions = used.trust.map((trust) => trust.bundleVersion);
  const roots = used.trust.map((trust) => new Set(trust.domains[0]?.roots ?? []));
  const common = [...(roots[0] ?? [])].filter((root) => roots.every((set) => set.has(root)));
  const leaf = used.certificate;
  const [leafRoot] = leaf === undefined ? [] : issuingRoots(leaf, [leaf.rootPem, ...ownRoots(certificates.trust)]);
  return {
    instance,
    bundleVersion: versions.reduce<bigint | undefined>((low, next) => (low === undefined || next < low ? next : low), undefined) ?? 0n,
    rootFingerprints: common.flatMap((pem) => certificatesOf(pem).map(fingerprintOf)),
    leafRootFingerprint: leafRoot === undefined ? new Uint8Array(0) : fingerprintOf(leafRoot),
    leafSerialNumber: leaf?.serialNumber ?? '',
    leafNotAfter: BigInt(Math.floor((leaf?.notAfter ?? 0) / 1000)),
    error: problem === '' ? used.refusal : problem,
  };
}

/** Whether the certificate in hand leads to the root that is wanted; an empty fingerprint wants every certificate renewed. */
function leadsTo(certificates: CertificateManager, wanted: Uint8Array): boolean {
  const leaf = certificates.current();
  if (wanted.length === 0 || leaf === undefined) return false;
  const roots = issuingRoots(leaf, [leaf.rootPem, ...ownRoots(certificates.trust)]);
  return roots.some((root) => fingerprintOf(root).equals(wanted));
}

/** What an instruction says to trust, or why it cannot be followed: a workload that trusts nobody is cut off. */
function snapshotOf(instruction: TrustInstruction): TrustSnapshot | string {
  const { bundles, crls } = instruction;
  if (bundles.length === 0 || bundles[0]?.roots.length === 0) return 'it names no root of the own trust domain';
  if (bundles.length > MAX_BUNDLES || crls.length > MAX_CRLS) return `it has ${bundles.length} trust domains and ${crls.length} CRLs`;
  const domains = [];
  for (const bundle of bundles) {
    if (bundle.roots.length > MAX_ROOTS)
      return `trust domain ${bundle.trustDomain} has ${bundle.roots.length} roots, at most ${MAX_ROOTS} are read`;
    const roots: string[] = [];
    for (const der of bundle.roots) {
      const pem = encodePem('CERTIFICATE', der);
      // Mostly the root that came with the certificate, which has been read.
      const root = certificatesOf(pem).length > 0 ? undefined : parseCertificate(der);
      if (root?.ok === false) return `a root of trust domain ${bundle.trustDomain} cannot be read: ${root.error.message}`;
      roots.push(pem);
    }
    domains.push({ trustDomain: bundle.trustDomain, roots, jwtKeys: bundle.jwtKeys });
  }
  return { bundleVersion: instruction.bundleVersion, domains, crls: crls.map((der) => encodePem('X509 CRL', der)) };
}
