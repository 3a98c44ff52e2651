import type { Counter } from '@xebec/telemetry';
import { header, type RequestHead, removeHeader, setHeader } from '@xebec/wire';
import type { FilterContext, FilterStatus, HttpFilter, HttpFilterCallbacks } from '../../http-filter.ts';
import { verifySignature } from './key-set.ts';
import { findToken, removeToken, type TokenLocation } from './locations.ts';
import { checkClaims, type Provider } from './provider.ts';
import { type Demand, evaluate, MISSING, type Requirement, UNKNOWN_ISSUER, type Verdict, type WrongRequirement } from './requirement.ts';
import { statusCodes } from './status-codes.ts';
import { parseToken, type Token } from './token.ts';

export const METADATA = 'envoy.filters.http.jwt_authn';

export interface JwtConfig {
  readonly context: FilterContext;
  readonly providers: readonly Provider[];
  readonly bypassCorsPreflight: boolean;
  readonly stripFailureResponse: boolean;
  readonly stats: { readonly allowed: Counter; readonly denied: Counter; readonly bypassed: Counter; readonly cacheMiss: Counter };
  /** What this request must have; undefined lets it pass. */
  requirementOf(callbacks: HttpFilterCallbacks): Requirement | WrongRequirement | undefined;
}

export function createJwtFilter(config: JwtConfig, callbacks: HttpFilterCallbacks): HttpFilter {
  let ended = false;
  return {
    onRequestHead(request): FilterStatus {
      if (config.bypassCorsPreflight && isPreflight(request)) {
        config.stats.bypassed.add(1);
        config.stats.allowed.add(1);
        return 'continue';
      }
      // Only this filter may say what a token held.
      for (const provider of config.providers) {
        if (provider.payloadHeader !== '') removeHeader(request.headers, provider.payloadHeader);
        for (const { header: name } of provider.claimHeaders) removeHeader(request.headers, name);
      }
      const requirement = config.requirementOf(callbacks);
      if (requirement === undefined) {
        config.stats.allowed.add(1);
        return 'continue';
      }
      if (requirement.kind === 'wrong') {
        denyWrongName(config, callbacks, requirement);
        return 'stop';
      }
      let decided = false;
      let status: FilterStatus = 'stop';
      let returned = false;
      const verification = new Verification(config, callbacks, () => ended);
      evaluate(
        requirement,
        (demand, done) => verification.check(demand, done),
        (verdict) => {
          if (decided || ended) return;
          decided = true;
          if (verdict !== undefined) {
            deny(config, callbacks, verdict);
            return;
          }
          config.stats.allowed.add(1);
          if (returned) callbacks.continueRequest();
          else status = 'continue';
        },
      );
      returned = true;
      return status;
    },
    onComplete() {
      ended = true;
    },
  };
}

function deny(config: JwtConfig, callbacks: HttpFilterCallbacks, verdict: string): void {
  config.stats.denied.add(1);
  const details = `jwt_authn_access_denied{${verdict.replaceAll(' ', '_')}}`;
  const challenge = `Bearer realm="${originalUri(callbacks.request)}"${verdict === MISSING || config.stripFailureResponse ? '' : ', error="invalid_token"'}`;
  callbacks.sendLocalReply({
    status: verdict === 'Audiences in Jwt are not allowed' ? 403 : 401,
    body: config.stripFailureResponse ? '' : verdict,
    details,
    headers: config.stripFailureResponse ? [] : ['www-authenticate', challenge],
  });
}

function denyWrongName(config: JwtConfig, callbacks: HttpFilterCallbacks, { name, known }: WrongRequirement): void {
  config.stats.denied.add(1);
  const what = `Wrong requirement_name: ${name}. It should be one of [${known.join(', ')}]`;
  callbacks.sendLocalReply({
    status: 403,
    body: `Failed JWT authentication: ${what}`,
    details: `jwt_authn_access_denied{${what.replaceAll(' ', '_')}}`,
  });
}

const MAX_REALM = 256;

/** The address as the client wrote it, quotes and controls escaped away so that it stays inside its quotes. */
function originalUri(request: RequestHead): string {
  const scheme = header(request.headers, 'x-forwarded-proto') ?? request.scheme;
  const path = header(request.headers, 'x-envoy-original-path') ?? request.path;
  const short = path.slice(0, MAX_REALM);
  return `${scheme}://${request.authority}${short}`.replaceAll(/["\\]/g, (character) => encodeURIComponent(character));
}

function isPreflight(request: RequestHead): boolean {
  return (
    request.method === 'OPTIONS' &&
    (header(request.headers, 'origin') ?? '') !== '' &&
    (header(request.headers, 'access-control-request-method') ?? '') !== ''
  );
}

/** The work on one request: tokens are found, checked, and what they hold is handed on. */
class Verification {
  readonly #config: JwtConfig;
  readonly #callbacks: HttpFilterCallbacks;
  readonly #ended: () => boolean;

  constructor(config: JwtConfig, callbacks: HttpFilterCallbacks, ended: () => boolean) {
    this.#config = config;
    this.#callbacks = callbacks;
    this.#ended = ended;
  }
  /** Tokens in turn: a bad one ends it, unless failures are allowed; a second token cannot hide a bad one. */
  check(demand: Demand, done: (verdict: Verdict) => void): void {
    const found = this.#find(demand);
    const finish = (verdict: Verdict): void =>
      done(demand.allowFailed || (demand.allowMissing && verdict === MISSING) ? undefined : verdict);
    if (found.length === 0) {
      finish(MISSING);
      return;
    }
    const step = (index: number, verdict: Verdict): void => {
      const token = found[index];
      if (token === undefined) {
        finish(verdict);
        return;
      }
      this.#verify(demand, token, (own) => {
        if (own !== undefined && !demand.allowFailed) finish(own);
        else step(index + 1, own);
      });
    };
    step(0, MISSING);
  }
  /** Each location once, with the issuers that use it, in Envoy's order. */
  #find(demand: Demand): FoundToken[] {
    const found = new Map<string, FoundToken>();
    for (const provider of demand.providers) {
      for (const location of provider.locations) {
        const key = `${ORDER[location.kind]} ${location.name} ${location.kind === 'header' ? location.prefix : ''}`;
        const known = found.get(key);
        if (known !== undefined) known.providers.push(provider);
        else {
          const text = findToken(location, this.#callbacks.request);
          if (text !== undefined) found.set(key, { text, location, providers: [provider] });
        }
      }
    }
    return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, token]) => token);
  }
  #verify(demand: Demand, found: FoundToken, done: (verdict: Verdict) => void): void {
    // Envoy asks a cache here, which nobody has switched on.
    if (demand.provider !== undefined) this.#config.stats.cacheMiss.add(1);
    const token = parseToken(found.text);
    if (typeof token === 'string') {
      this.#fail(demand.provider, token);
      done(token);
      return;
    }
    const provider = demand.provider ?? this.#issuerOf(found, token);
    const now = Math.floor(this.#config.context.clock.now() / 1000);
    const problem = provider === undefined ? UNKNOWN_ISSUER : checkClaims(token, provider, demand.audiences ?? provider.audiences, now);
    if (provider === undefined || problem !== undefined) {
      this.#fail(provider, problem ?? UNKNOWN_ISSUER);
      done(problem);
      return;
    }
    const decide = (keys: ReturnType<typeof provider.keys.current>): void => {
      if (this.#ended()) return;
      const verdict =
        keys === undefined || typeof keys === 'string' ? (keys ?? 'Jwks remote fetch is failed') : verifySignature(token, keys);
      if (verdict === undefined) this.#accept(provider, token, found.location);
      else this.#fail(provider, verdict);
      done(verdict);
    };
    const keys = provider.keys.current();
    if (keys === undefined) provider.keys.fetch(decide);
    else decide(keys);
  }
  /**
   * Who judges a token when no provider is asked for: the issuer it names, wherever its tokens are looked for, if the place where this
   * one was found may hold tokens of that issuer or of any. As in Envoy, or a token could choose its judge by its place.
   */
  #issuerOf(found: FoundToken, token: Token): Provider | undefined {
    if (!found.providers.some(({ issuer }) => issuer === '' || issuer === token.issuer)) return undefined;
    const { providers } = this.#config;
    return providers.find(({ issuer }) => issuer !== '' && issuer === token.issuer) ?? providers.find(({ issuer }) => issuer === '');
  }
  #accept(provider: Provider, token: Token, location: TokenLocation): void {
    const { request } = this.#callbacks;
    if (provider.payloadHeader !== '') {
      const padding = provider.padPayloadHeader ? '='.repeat((4 - (token.payloadText.length % 4)) % 4) : '';
      setHeader(request.headers, provider.payloadHeader, token.payloadText + padding);
    }
    for (const { header: name, claim } of provider.claimHeaders) {
      const value = claimText(token.payload, claim);
      if (value !== undefined) setHeader(request.headers, name, value);
    }
    if (!provider.forward) removeToken(location, request);
    if (provider.payloadMetadata !== '') this.#note(provider.payloadMetadata, normalized(token.payload, provider.spaceDelimitedClaims));
    if (provider.headerMetadata !== '') this.#note(provider.headerMetadata, token.header);
    if (provider.clearRouteCache) this.#callbacks.clearRoute();
  }
  #fail(provider: Provider | undefined, verdict: string): void {
    if (provider !== undefined && provider.failureMetadata !== '')
      this.#note(provider.failureMetadata, { code: statusCodes[verdict] ?? 0, message: verdict });
  }
  #note(key: string, value: unknown): void {
    const { dynamicMetadata } = this.#callbacks.info;
    dynamicMetadata.set(METADATA, { ...dynamicMetadata.get(METADATA), [key]: value });
  }
}

/** Headers first, then parameters, then cookies; by name among themselves. */
const ORDER: Readonly<Record<TokenLocation['kind'], number>> = { header: 0, parameter: 1, cookie: 2 };

interface FoundToken {
  readonly text: string;
  readonly location: TokenLocation;
  /** Those that look for their tokens here. */
  readonly providers: Provider[];
}

/** A claim as a header's value: scalars as they are, lists and objects as base64 of their JSON. */
function claimText(payload: Readonly<Record<string, unknown>>, path: readonly string[]): string | undefined {
  let value: unknown = payload;
  for (const key of path)
    value = typeof value === 'object' && value !== null && Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined;
  if (typeof value === 'string') return /[\0\r\n]/.test(value) ? undefined : Buffer.from(value).toString('latin1');
  if (typeof value === 'number') return Number.isInteger(value) ? String(value) : value.toFixed(6);
  if (typeof value === 'boolean') return String(value);
  return typeof value === 'object' && value !== null ? Buffer.from(JSON.stringify(value)).toString('base64') : undefined;
}

/** Claims such as `scope` are lists written as one text. */
function normalized(payload: Readonly<Record<string, unknown>>, claims: ReadonlySet<string>): Record<string, unknown> {
  const out: Record<string, unknown> = { ...payload };
  for (const claim of claims) {
    const value = payload[claim];
    if (typeof value === 'string') out[claim] = value.split(' ').filter((part) => part !== '');
  }
  return out;
}
