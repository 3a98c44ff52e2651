import { create } from '@bufbuild/protobuf';
import { type ServerUnaryCall, type sendUnaryData, status, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { type Clock, errorText, type Logger } from '@xebec/core';
import { issueJwtSvid, jwtTtlMs } from '@xebec/identity';
import {
  type CreateJwtSvidRequest,
  type CreateJwtSvidResponse,
  CreateJwtSvidResponseSchema,
} from '@xebec/protos/xebec/identity/v1/jwt_svid';
import type { Authenticate } from '../authenticators/authenticate.ts';
import { CallRefused } from '../authenticators/call-refused.ts';
import type { RateLimit } from '../rate-limit.ts';
import type { JwtKeys } from './jwt-keys.ts';

export interface JwtSvidServiceOptions {
  readonly keys: Pick<JwtKeys, 'signing'>;
  /** Rejects with a CallRefused. */
  readonly authenticate: Authenticate;
  readonly ttl: { readonly defaultTtlMs: number; readonly maxTtlMs: number };
  readonly rateLimit: RateLimit;
  readonly clock: Clock;
  readonly logger: Logger;
}

type Call = ServerUnaryCall<CreateJwtSvidRequest, CreateJwtSvidResponse>;

/** `xebec.identity.v1.JwtSvidService`: the subject is who called, the request says only for whom the token is and how long. */
export function jwtSvidService(options: JwtSvidServiceOptions): UntypedServiceImplementation {
  return {
    CreateJwtSvid: (call: Call, reply: sendUnaryData<CreateJwtSvidResponse>) => {
      answer(call, options).then(
        (response) => reply(null, response),
        (error: unknown) => {
          if (error instanceof CallRefused) {
            options.logger.warn({ status: error.status, peer: call.getPeer() }, `JWT-SVID refused: ${error.message}`);
            reply({ code: error.status, details: error.message });
            return;
          }
          options.logger.error({ code: 'E_INTERNAL' }, errorText(error));
          reply({ code: status.INTERNAL, details: 'internal error' });
        },
      );
    },
  };
}

async function answer(call: Call, options: JwtSvidServiceOptions): Promise<CreateJwtSvidResponse> {
  const { clock } = options;
  if (options.rateLimit.take(clock.monotonic()) > 0)
    throw new CallRefused(status.RESOURCE_EXHAUSTED, 'too many requests for tokens, try again');
  const { id } = await options.authenticate(call);
  const ttlMs = jwtTtlMs(call.request.validityDuration, options.ttl);
  if (!ttlMs.ok) throw new CallRefused(status.INVALID_ARGUMENT, `${ttlMs.error.code}: ${ttlMs.error.message}`);
  const key = options.keys.signing();
  if (key === undefined) throw new CallRefused(status.UNAVAILABLE, 'there is no key for tokens yet, try again');
  const svid = issueJwtSvid(key, { subject: id, audience: call.request.audience, ttlMs: ttlMs.value, now: clock.now() });
  if (!svid.ok) throw new CallRefused(status.INVALID_ARGUMENT, `${svid.error.code}: ${svid.error.message}`);
  const { token, expiresAt } = svid.value;
  options.logger.info({ id, audience: call.request.audience, expiresAt: new Date(expiresAt).toISOString() }, 'JWT-SVID issued');
  return create(CreateJwtSvidResponseSchema, { spiffeId: id, token, expiresAt: BigInt(Math.floor(expiresAt / 1000)) });
}
