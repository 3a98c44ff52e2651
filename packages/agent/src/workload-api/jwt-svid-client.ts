import { create } from '@bufbuild/protobuf';
import { XebecError } from '@xebec/core';
import {
  CreateJwtSvidRequestSchema,
  type CreateJwtSvidResponse,
  type CreateJwtSvidResponseSchema,
  JwtSvidService,
} from '@xebec/protos/xebec/identity/v1/jwt_svid';
import { type Encodable, methodDefinition } from '@xebec/rpc';
import type { CaConnection } from '../ca-connection.ts';

/** A signed token and when it expires, in milliseconds since the epoch. */
export interface IssuedToken {
  readonly spiffeId: string;
  readonly token: string;
  readonly expiresAt: number;
}

/** Asks for a token of the workload's own identity; rejects when the CA gives none. */
export type SignJwtSvid = (audience: readonly string[]) => Promise<IssuedToken>;

/** Asks Citadel over `xebec.identity.v1.JwtSvidService`. The client certificate proves who asks where there is one, else the token. */
export function jwtSvidClient(connection: CaConnection, timeoutMs = 5000): SignJwtSvid {
  const method = methodDefinition(JwtSvidService.method.createJwtSvid);
  return async (audience) => {
    const call = await connection.open('certificate');
    try {
      const response = await new Promise<Encodable<typeof CreateJwtSvidResponseSchema> | undefined>((resolve, reject) => {
        call.client.makeUnaryRequest(
          method.path,
          method.requestSerialize,
          method.responseDeserialize,
          create(CreateJwtSvidRequestSchema, { audience: [...audience] }),
          call.metadata,
          { deadline: Date.now() + timeoutMs },
          (error, value) => (error === null ? resolve(value) : reject(error)),
        );
      });
      // methodDefinition decodes every response to a message; bytes are what servers may send.
      const { spiffeId, token, expiresAt } = response as CreateJwtSvidResponse;
      return { spiffeId, token, expiresAt: Number(expiresAt) * 1000 };
    } catch (error) {
      throw new XebecError('E_CA_REQUEST', `the CA at ${connection.address} gave no JWT-SVID`, { cause: error });
    } finally {
      call.release();
    }
  };
}

/** Kept at most, so that a workload that asks for ever new audiences cannot fill the memory. */
const MAX_CACHED = 256;

/** The same, with tokens kept for half of their life: workloads ask for one on each call. One request at a time for one audience. */
export function cachedJwtSvids(sign: SignJwtSvid, now: () => number): SignJwtSvid {
  const cache = new Map<string, { readonly token: Promise<IssuedToken>; useUntil: number }>();
  return async (audience) => {
    const key = JSON.stringify([...new Set(audience)].toSorted());
    const known = cache.get(key);
    if (known !== undefined && now() < known.useUntil) return known.token;
    const oldest = cache.keys().next().value;
    if (cache.size >= MAX_CACHED && oldest !== undefined) cache.delete(oldest);
    const asked = now();
    const entry = { token: sign(audience), useUntil: Number.POSITIVE_INFINITY };
    cache.delete(key);
    cache.set(key, entry);
    try {
      const issued = await entry.token;
      entry.useUntil = asked + (issued.expiresAt - asked) / 2;
      return issued;
    } catch (error) {
      if (cache.get(key) === entry) cache.delete(key);
      throw error;
    }
  };
}
