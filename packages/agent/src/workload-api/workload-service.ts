import { create, type JsonObject } from '@bufbuild/protobuf';
import {
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { type Clock, errorText, type Logger, XebecError } from '@xebec/core';
import { audienceRefusal, parseJwtKeySet, unwrap, validateJwtSvid } from '@xebec/identity';
import {
  type JWTSVIDRequest,
  type JWTSVIDResponse,
  JWTSVIDResponseSchema,
  type ValidateJWTSVIDRequest,
  type ValidateJWTSVIDResponse,
  ValidateJWTSVIDResponseSchema,
} from '@xebec/protos/spiffe/workload/workload';
import type { CertificateManager } from '../certificate-manager.ts';
import type { TrustStore } from '../trust-store.ts';
import type { SignJwtSvid } from './jwt-svid-client.ts';
import { jwtBundlesResponse, spiffeIdOf, x509BundlesResponse, x509SvidResponse } from './svid-responses.ts';

export interface WorkloadServiceOptions {
  readonly certificates: Pick<CertificateManager, 'current' | 'subscribe'>;
  readonly trust: Pick<TrustStore, 'current' | 'subscribe'>;
  readonly signJwtSvid: SignJwtSvid;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Without it a request that some other program forwarded would be taken for the workload's own (SPIFFE Workload Endpoint, 6.1). */
const SECURITY_HEADER = 'workload.spiffe.io';

interface Failure {
  readonly code: status;
  readonly details: string;
}

/** The SPIFFE Workload API for the one workload that the agent serves. Streams send again at each change. */
export function workloadService(options: WorkloadServiceOptions): UntypedServiceImplementation {
  const { certificates, trust } = options;
  return {
    FetchX509SVID: stream(options, () => {
      const certificate = certificates.current();
      const snapshot = trust.current();
      return certificate === undefined || snapshot === undefined ? undefined : x509SvidResponse(certificate, snapshot);
    }),
    FetchX509Bundles: stream(options, () => {
      const snapshot = trust.current();
      return snapshot === undefined ? undefined : x509BundlesResponse(snapshot);
    }),
    FetchJWTBundles: stream(options, () => {
      const snapshot = trust.current();
      return snapshot === undefined ? undefined : jwtBundlesResponse(snapshot);
    }),
    FetchJWTSVID: unary(options, fetchJwtSvid),
    ValidateJWTSVID: unary(options, validate),
  };
}

async function fetchJwtSvid(request: JWTSVIDRequest, options: WorkloadServiceOptions): Promise<JWTSVIDResponse | Failure> {
  const refusal = audienceRefusal(request.audience);
  if (refusal !== undefined) return { code: status.INVALID_ARGUMENT, details: `${refusal.error.code}: ${refusal.error.message}` };
  const certificate = options.certificates.current();
  if (certificate === undefined) return { code: status.UNAVAILABLE, details: 'the workload has no identity yet, try again' };
  const own = spiffeIdOf(certificate);
  if (request.spiffeId !== '' && request.spiffeId !== own)
    return { code: status.PERMISSION_DENIED, details: `the identity of this workload is ${own}, it gets no token for another` };
  try {
    const { spiffeId, token } = await options.signJwtSvid(request.audience);
    return create(JWTSVIDResponseSchema, { svids: [{ spiffeId, svid: token }] });
  } catch (error) {
    options.logger.warn({ code: error instanceof XebecError ? error.code : 'E_CA_REQUEST' }, `no JWT-SVID: ${errorText(error)}`);
    return { code: status.UNAVAILABLE, details: 'the CA gave no token, try again' };
  }
}

async function validate(request: ValidateJWTSVIDRequest, options: WorkloadServiceOptions): Promise<ValidateJWTSVIDResponse | Failure> {
  const { audience, svid } = request;
  if (audience === '' || svid === '') return { code: status.INVALID_ARGUMENT, details: 'audience and svid are needed' };
  const snapshot = options.trust.current();
  if (snapshot === undefined) return { code: status.UNAVAILABLE, details: 'the trust bundle is not there yet, try again' };
  const keys = new Map(snapshot.domains.map(({ trustDomain, jwtKeys }) => [trustDomain, unwrap(parseJwtKeySet(jwtKeys))]));
  const valid = validateJwtSvid(svid, { keys, audience, now: options.clock.now() });
  if (!valid.ok) return { code: status.INVALID_ARGUMENT, details: `${valid.error.code}: ${valid.error.message}` };
  // Claims come out of JSON, so they are JSON.
  return create(ValidateJWTSVIDResponseSchema, { spiffeId: valid.value.id.id, claims: valid.value.claims as JsonObject });
}

function unary<Q, A extends object>(
  options: WorkloadServiceOptions,
  handle: (request: Q, options: WorkloadServiceOptions) => Promise<A | Failure>,
) {
  return (call: ServerUnaryCall<Q, A>, reply: sendUnaryData<A>): void => {
    const refusal = headerRefusal(call);
    if (refusal !== undefined) {
      reply(refusal);
      return;
    }
    handle(call.request, options).then(
      (answer) => ('details' in answer && 'code' in answer ? reply(answer) : reply(null, answer)),
      (error: unknown) => {
        options.logger.error({ code: 'E_INTERNAL' }, errorText(error));
        reply({ code: status.INTERNAL, details: 'internal error' });
      },
    );
  };
}

/** Sends what `answer` gives as soon as there is something, and again whenever it is something else. */
function stream<A extends object>(options: WorkloadServiceOptions, answer: () => A | undefined) {
  return (call: ServerWritableStream<unknown, A>): void => {
    const refusal = headerRefusal(call);
    if (refusal !== undefined) {
      call.emit('error', refusal);
      return;
    }
    let sent = '';
    const push = () => {
      try {
        const value = answer();
        if (value === undefined) return;
        const text = JSON.stringify(value, (_key, field: unknown) =>
          field instanceof Uint8Array ? Buffer.from(field).toString('base64') : field,
        );
        if (text === sent) return;
        sent = text;
        call.write(value);
      } catch (error) {
        // What came from the CA cannot be read: the last good answer stays with the client.
        options.logger.error({ code: error instanceof XebecError ? error.code : 'E_INTERNAL' }, errorText(error));
      }
    };
    const stops = [options.certificates.subscribe(push), options.trust.subscribe(push)];
    const stop = () => {
      for (const each of stops.splice(0)) each();
    };
    for (const event of ['cancelled', 'close', 'error', 'finish']) call.on(event, stop);
    push();
  };
}

function headerRefusal(call: { readonly metadata: { get(name: string): readonly unknown[] } }): Failure | undefined {
  const values = call.metadata.get(SECURITY_HEADER);
  return values.length === 1 && values[0] === 'true'
    ? undefined
    : { code: status.INVALID_ARGUMENT, details: `the request lacks the metadata ${SECURITY_HEADER}: true` };
}
