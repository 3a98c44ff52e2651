import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '@xebec/core';
import { exportJWK, type JWK, jwtVerify, SignJWT } from 'jose';
import { writeSecret } from './certificates.ts';
import type { UserInfo } from './engine.ts';
import { at, type KubeObject, textAt } from './object.ts';
import type { ObjectStore } from './store.ts';

export const ISSUER = 'https://kubernetes.default.svc.cluster.local';
/** The audience of tokens that are asked for without one. */
export const API_AUDIENCES = [ISSUER] as const;
const MIN_TOKEN_S = 600;
const MAX_TOKEN_S = 60 * 60 * 24 * 365;

export interface TokenRequest {
  readonly namespace: string;
  readonly account: KubeObject;
  readonly audiences: readonly string[];
  readonly expirationSeconds: number;
  readonly pod?: { readonly name: string; readonly uid: string; readonly nodeName: string };
}

/** Service-account tokens: signed (ES256) by a key in the data directory, checked against what is stored now. */
export class TokenIssuer {
  readonly #key: KeyObject;
  readonly #keyId: string;
  readonly #publicKey: KeyObject;
  readonly #clock: Clock;
  readonly #store: ObjectStore;

  constructor(dataDir: string, store: ObjectStore, clock: Clock) {
    const file = join(dataDir, 'service-account.key');
    if (!existsSync(file)) {
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      writeSecret(file, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
    }
    this.#key = createPrivateKey(readFileSync(file));
    this.#publicKey = createPublicKey(this.#key);
    this.#keyId = createHash('sha256')
      .update(this.#publicKey.export({ type: 'spki', format: 'der' }))
      .digest('base64url');
    this.#clock = clock;
    this.#store = store;
  }

  /** The public key as a JWK set, for `/openid/v1/jwks`. */
  async jwks(): Promise<{ keys: JWK[] }> {
    return { keys: [{ ...(await exportJWK(this.#publicKey)), use: 'sig', kid: this.#keyId, alg: 'ES256' }] };
  }

  async issue({ namespace, account, audiences, expirationSeconds, pod }: TokenRequest): Promise<{ token: string; expirationMs: number }> {
    const now = Math.floor(this.#clock.now() / 1000);
    const lifetime = Math.min(MAX_TOKEN_S, Math.max(MIN_TOKEN_S, expirationSeconds));
    const claim = {
      namespace,
      serviceaccount: { name: account.metadata.name, uid: account.metadata.uid },
      ...(pod === undefined ? {} : { pod: { name: pod.name, uid: pod.uid }, node: { name: pod.nodeName } }),
    };
    const token = await new SignJWT({ 'kubernetes.io': claim })
      .setProtectedHeader({ alg: 'ES256', kid: this.#keyId })
      .setIssuer(ISSUER)
      .setSubject(`system:serviceaccount:${namespace}:${account.metadata.name}`)
      .setAudience([...audiences])
      .setIssuedAt(now)
      .setNotBefore(now)
      .setExpirationTime(now + lifetime)
      .sign(this.#key);
    return { token, expirationMs: (now + lifetime) * 1000 };
  }

  /** Who a token is and for which of the audiences it is good; undefined when it is no good or its account or pod is gone. */
  async verify(token: string, audiences: readonly string[]): Promise<{ user: UserInfo; audiences: string[] } | undefined> {
    let payload: unknown;
    try {
      const options = { issuer: ISSUER, audience: [...audiences], algorithms: ['ES256'], currentDate: new Date(this.#clock.now()) };
      payload = (await jwtVerify(token, this.#publicKey, options)).payload;
    } catch {
      return undefined;
    }
    const namespace = textAt(payload, 'kubernetes.io', 'namespace');
    const name = textAt(payload, 'kubernetes.io', 'serviceaccount', 'name');
    const uid = textAt(payload, 'kubernetes.io', 'serviceaccount', 'uid');
    if (this.#store.get('serviceaccounts', namespace, name)?.metadata.uid !== uid) return undefined;
    const podName = textAt(payload, 'kubernetes.io', 'pod', 'name');
    const podUid = textAt(payload, 'kubernetes.io', 'pod', 'uid');
    if (podName !== '' && this.#store.get('pods', namespace, podName)?.metadata.uid !== podUid) return undefined;
    const audience = at(payload, 'aud');
    const granted = Array.isArray(audience) ? audience : [audience];
    return {
      user: {
        username: `system:serviceaccount:${namespace}:${name}`,
        uid,
        groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
        ...(podName === ''
          ? {}
          : { extra: { 'authentication.kubernetes.io/pod-name': [podName], 'authentication.kubernetes.io/pod-uid': [podUid] } }),
      },
      audiences: audiences.filter((wanted) => granted.includes(wanted)),
    };
  }
}
