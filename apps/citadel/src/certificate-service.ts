import { create } from '@bufbuild/protobuf';
import { type ServerUnaryCall, type sendUnaryData, status, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { type Clock, errorText, type Logger, XebecError } from '@xebec/core';
import { certificateTtlMs, parseCsr, type TtlPolicy } from '@xebec/identity';
import {
  type IstioCertificateRequest,
  type IstioCertificateResponse,
  IstioCertificateResponseSchema,
} from '@xebec/protos/istio/v1/auth/ca';
import type { Caller } from './authenticator.ts';
import type { Authenticate } from './authenticators/authenticate.ts';
import { CallRefused } from './authenticators/call-refused.ts';
import type { Impersonate } from './authenticators/impersonation.ts';
import type { DnsNames } from './dns-names.ts';
import type { CertificateOrder, IssuedCertificate, Issuer } from './issuing/issuer.ts';
import { retryTrailers } from './issuing/retry-info.ts';
import type { CitadelMetrics } from './metrics.ts';
import type { RateLimit } from './rate-limit.ts';

export interface CertificateServiceOptions {
  readonly authenticate: Authenticate;
  /** Absent: nobody may ask for another's certificate. */
  readonly impersonate?: Impersonate;
  /** Who signs what names no signer. */
  readonly issuer: Issuer;
  /** Who signs what names one (`CertSigner` of the metadata); undefined for an unknown name. */
  issuerNamed?(certSigner: string): Issuer | undefined;
  readonly ttl: TtlPolicy;
  readonly dnsNames: DnsNames;
  readonly rateLimit: RateLimit;
  readonly metrics: CitadelMetrics;
  readonly clock: Clock;
  readonly logger: Logger;
  /**
   * Asked before a certificate is made; the answer is told of the certificate before the client is, and says whether it may be handed
   * out: where the mesh has gone on to other roots meanwhile, another is made.
   */
  issuing?(): (caller: Caller, certificate: IssuedCertificate) => boolean | Promise<boolean>;
}

type Call = ServerUnaryCall<IstioCertificateRequest, IstioCertificateResponse>;

/** `istio.v1.auth.IstioCertificateService`: identity from the authenticated caller alone, the request gives only the key. */
export function certificateService(options: CertificateServiceOptions): UntypedServiceImplementation {
  return {
    CreateCertificate: (call: Call, reply: sendUnaryData<IstioCertificateResponse>) => {
      options.metrics.requests.inc();
      answer(call, options).then(
        ({ chain }) => reply(null, create(IstioCertificateResponseSchema, { certChain: [...chain] })),
        (error: unknown) => reply(errorAnswer(error, call, options.logger)),
      );
    },
  };
}

function errorAnswer(error: unknown, call: Call, logger: Logger) {
  if (!(error instanceof CallRefused)) {
    logger.error({ code: error instanceof XebecError ? error.code : 'E_INTERNAL' }, errorText(error));
    return { code: status.INTERNAL, details: 'internal error' };
  }
  logger.warn({ status: error.status, peer: call.getPeer() }, `certificate refused: ${error.message}`);
  return { code: error.status, details: error.message, ...(error.trailers === undefined ? {} : { metadata: error.trailers }) };
}

async function answer(call: Call, options: CertificateServiceOptions): Promise<IssuedCertificate> {
  const { metrics, clock, logger } = options;
  const waitMs = options.rateLimit.take(clock.monotonic());
  if (waitMs > 0) {
    const message = `too many certificate requests, try again in ${waitMs} ms`;
    throw new CallRefused(status.RESOURCE_EXHAUSTED, message, retryTrailers(message, waitMs));
  }
  const caller = impersonated(call, await options.authenticate(call), options);
  const { csr, validityDuration } = call.request;
  const request = parseCsr(csr);
  if (!request.ok) {
    metrics.csrErrors.inc();
    metrics.signErrors.inc({ error: 'CSR_ERROR' });
    throw new CallRefused(status.INVALID_ARGUMENT, `CSR signing error (${request.error.code}: ${request.error.message})`);
  }
  const ttlMs = certificateTtlMs(validityDuration, options.ttl);
  if (!ttlMs.ok) {
    metrics.signErrors.inc({ error: 'TTL_ERROR' });
    throw new CallRefused(status.INVALID_ARGUMENT, `CSR signing error (${ttlMs.error.code}: ${ttlMs.error.message})`);
  }
  const { id, account } = caller;
  const dnsNames = account === undefined ? [] : (options.dnsNames.get(`${account.name}.${account.namespace}`) ?? []);
  let certificate: IssuedCertificate;
  try {
    certificate = await issueInOrder(caller, issuerOf(call, options), options, {
      id,
      dnsNames,
      ttlMs: ttlMs.value,
      request: request.value,
      csrPem: csr,
    });
  } catch (error) {
    metrics.signErrors.inc({
      error: error instanceof CallRefused && error.status === status.UNAVAILABLE ? 'CA_NOT_READY' : 'CERT_GEN_ERROR',
    });
    throw error;
  }
  metrics.issued.inc();
  // Counted always, logged on wish: a line for each costs a fifth of what the certificate does.
  logger.debug(
    { id, serialNumber: certificate.serialNumber, notAfterMs: certificate.notAfter, provenBy: caller.provenBy },
    'certificate issued',
  );
  return certificate;
}

const MAX_ATTEMPTS = 4;

async function issueInOrder(
  caller: Caller,
  issuer: Issuer,
  { issuing }: CertificateServiceOptions,
  order: CertificateOrder,
): Promise<IssuedCertificate> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const record = issuing?.();
    const pending = issuer.issue(order);
    const certificate = pending instanceof Promise ? await pending : pending;
    const recorded = record?.(caller, certificate) ?? true;
    if (recorded instanceof Promise ? await recorded : recorded) return certificate;
  }
  throw new CallRefused(status.UNAVAILABLE, 'the mesh goes over to other roots, try again');
}

function metadataText(call: Call, key: string): string {
  const value = call.request.metadata?.[key];
  return typeof value === 'string' ? value : '';
}

function impersonated(call: Call, caller: Caller, options: CertificateServiceOptions): Caller {
  const requested = metadataText(call, 'ImpersonatedIdentity');
  if (requested === '') return caller;
  try {
    if (options.impersonate === undefined) throw new XebecError('E_IMPERSONATION', 'CA_TRUSTED_NODE_ACCOUNTS names nobody');
    return options.impersonate(caller, requested);
  } catch (error) {
    options.metrics.authenticationFailures.inc();
    options.logger.warn({ id: caller.id, peer: call.getPeer() }, `impersonation refused: ${errorText(error)}`);
    // Istio's text; it says no more on purpose.
    throw new CallRefused(status.UNAUTHENTICATED, 'request impersonation authentication failure');
  }
}

function issuerOf(call: Call, options: CertificateServiceOptions): Issuer {
  const signer = metadataText(call, 'CertSigner');
  if (signer === '' || options.issuerNamed === undefined) return options.issuer;
  const issuer = options.issuerNamed(signer);
  if (issuer === undefined)
    throw new CallRefused(status.INVALID_ARGUMENT, `CSR signing error (there is no signer ${JSON.stringify(signer.slice(0, 80))})`);
  return issuer;
}
