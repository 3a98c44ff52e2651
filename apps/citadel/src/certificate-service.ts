import { randomBytes } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { type ServerUnaryCall, type sendUnaryData, status, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { peerIdentity } from '@xebec/agent';
import { type Clock, errorText, type Logger } from '@xebec/core';
import {
  type Authority,
  certificateChain,
  certificateTtlMs,
  issueLeaf,
  parseCsr,
  parseServiceAccountPath,
  type SpiffeId,
  serviceAccountId,
  type TrustDomain,
  type TtlPolicy,
} from '@xebec/identity';
import {
  type IstioCertificateRequest,
  type IstioCertificateResponse,
  IstioCertificateResponseSchema,
} from '@xebec/protos/istio/v1/auth/ca';
import type { ServiceAccount, TokenAuthenticator } from './authenticator.ts';
import type { DnsNames } from './dns-names.ts';
import type { CitadelMetrics } from './metrics.ts';
import type { RateLimit } from './rate-limit.ts';

export interface CertificateServiceOptions {
  /** Undefined until the root is loaded. */
  authority(): Authority | undefined;
  readonly trustDomain: TrustDomain;
  readonly ttl: TtlPolicy;
  readonly authenticators: readonly TokenAuthenticator[];
  readonly dnsNames: DnsNames;
  readonly rateLimit: RateLimit;
  readonly metrics: CitadelMetrics;
  readonly clock: Clock;
  readonly logger: Logger;
}

type Call = ServerUnaryCall<IstioCertificateRequest, IstioCertificateResponse>;

class Refused extends Error {
  readonly status: status;
  constructor(code: status, message: string) {
    super(message);
    this.status = code;
  }
}

const MAX_TOKEN_BYTES = 16 * 1024;

/** `istio.v1.auth.IstioCertificateService`: identity from the authenticated caller alone, the request gives only the key. */
export function certificateService(options: CertificateServiceOptions): UntypedServiceImplementation {
  return {
    CreateCertificate: (call: Call, reply: sendUnaryData<IstioCertificateResponse>) => {
      options.metrics.requests.inc();
      answer(call, options).then(
        (certChain) => reply(null, create(IstioCertificateResponseSchema, { certChain })),
        (error: unknown) => {
          if (!(error instanceof Refused)) options.logger.error({ code: 'E_INTERNAL' }, errorText(error));
          else options.logger.warn({ status: error.status, peer: call.getPeer() }, `certificate refused: ${error.message}`);
          reply(
            error instanceof Refused
              ? { code: error.status, details: error.message }
              : { code: status.INTERNAL, details: 'internal error' },
          );
        },
      );
    },
  };
}

async function answer(call: Call, options: CertificateServiceOptions): Promise<string[]> {
  const { metrics, clock } = options;
  if (!options.rateLimit.take(clock.monotonic())) throw new Refused(status.RESOURCE_EXHAUSTED, 'too many certificate requests, try again');
  const authority = options.authority();
  if (authority === undefined) throw new Refused(status.UNAVAILABLE, 'the root certificate is not loaded yet, try again');
  const caller = await authenticate(call, authority, options);
  if (call.request.metadata !== undefined && 'ImpersonatedIdentity' in call.request.metadata) {
    throw new Refused(status.PERMISSION_DENIED, `${caller.id} may not request a certificate for another identity`);
  }
  const request = parseCsr(call.request.csr);
  if (!request.ok) {
    metrics.csrErrors.inc();
    throw new Refused(status.INVALID_ARGUMENT, `${request.error.code}: ${request.error.message}`);
  }
  const ttlMs = certificateTtlMs(call.request.validityDuration, options.ttl);
  if (!ttlMs.ok) {
    metrics.signErrors.inc({ error: ttlMs.error.code });
    throw new Refused(status.INVALID_ARGUMENT, `${ttlMs.error.code}: ${ttlMs.error.message}`);
  }
  const dnsNames = options.dnsNames.get(caller.dnsKey) ?? [];
  const leaf = issueLeaf(authority, request.value, {
    uri: caller.id,
    dnsNames,
    ttlMs: ttlMs.value,
    now: clock.now(),
    serial: randomBytes(16),
  });
  if (!leaf.ok) {
    metrics.signErrors.inc({ error: leaf.error.code });
    throw new Refused(status.INTERNAL, `${leaf.error.code}: ${leaf.error.message}`);
  }
  metrics.issued.inc();
  options.logger.info(
    { id: caller.id, serialNumber: leaf.value.serialNumber, notAfter: new Date(leaf.value.notAfter).toISOString() },
    'certificate issued',
  );
  return certificateChain(authority, leaf.value);
}

interface Caller {
  readonly id: SpiffeId;
  readonly dnsKey: string;
}

/** The client certificate first (renewal), then the bearer token by each authenticator; the first that accepts decides. */
async function authenticate(call: Call, authority: Authority, options: CertificateServiceOptions): Promise<Caller> {
  const reasons: string[] = [];
  const peer = peerIdentity(call.getAuthContext(), { trustDomain: options.trustDomain, rootPem: authority.rootPem }, options.clock.now());
  if (peer?.ok) {
    const account = parseServiceAccountPath(peer.value.path);
    return { id: peer.value.id, dnsKey: account === undefined ? '' : `${account.serviceAccount}.${account.namespace}` };
  }
  if (peer !== undefined) reasons.push(`client certificate: ${peer.error.message}`);
  const header = call.metadata.get('authorization')[0];
  const token = typeof header === 'string' ? /^Bearer (\S+)$/i.exec(header)?.[1] : undefined;
  if (token === undefined || token.length > MAX_TOKEN_BYTES) reasons.push('no bearer token');
  else {
    for (const authenticator of options.authenticators) {
      try {
        return callerOf(await authenticator(token), options);
      } catch (error) {
        if (error instanceof Refused) throw error;
        reasons.push(errorText(error));
      }
    }
  }
  options.metrics.authenticationFailures.inc();
  // Istio's text, which its agents' users search for; the reasons stay in the log.
  options.logger.warn({ peer: call.getPeer() }, `no identity: ${reasons.join('; ')}`);
  throw new Refused(status.UNAUTHENTICATED, 'request authenticate failure');
}

function callerOf(account: ServiceAccount, options: CertificateServiceOptions): Caller {
  const id = serviceAccountId(options.trustDomain, account.namespace, account.name);
  if (!id.ok) {
    options.metrics.idErrors.inc();
    throw new Refused(status.PERMISSION_DENIED, id.error.message);
  }
  return { id: id.value, dnsKey: `${account.name}.${account.namespace}` };
}
