import type { Counter, StatsScope } from '@xebec/telemetry';
import { type HeaderList, header, headerJoined, type RequestHead, type ResponseHead, removeHeader, setHeader } from '@xebec/wire';
import { ByteTransform, type ByteTransformOwner } from '../../compression/byte-transform.ts';
import type { CompressionLibrary } from '../../compression/library.ts';
import type { FilterDataStatus, FilterStatus, HttpFilter, HttpFilterCallbacks } from '../../http-filter.ts';
import { type Candidate, chooseEncoding, type Decision } from './accept-encoding.ts';

/** What one direction compresses. */
export interface DirectionRules {
  enabled(): boolean;
  readonly minBytes: number;
  readonly contentTypes: ReadonlySet<string>;
  readonly stats: DirectionStats;
}

export interface ResponseRules extends DirectionRules {
  readonly disableOnEtag: boolean;
  readonly removeAcceptEncoding: boolean;
  readonly uncompressibleStatuses: ReadonlySet<number>;
  readonly negotiation: NegotiationStats;
}

export type DirectionStats = Readonly<
  Record<'compressed' | 'notCompressed' | 'uncompressedBytes' | 'compressedBytes' | 'tooSmall', Counter>
>;
export type NegotiationStats = Readonly<
  Record<'noAcceptHeader' | 'identity' | 'used' | 'overshadowed' | 'wildcard' | 'notValid' | 'etag', Counter>
>;

export interface CompressorConfig {
  readonly library: CompressionLibrary;
  readonly chooseFirst: boolean;
  readonly request: DirectionRules;
  readonly response: ResponseRules;
}

/** What a route changes. */
export interface CompressorPerRoute {
  readonly disabled: boolean;
  readonly removeAcceptEncoding: boolean | undefined;
}

export function directionStats(scope: StatsScope, prefix: string): DirectionStats {
  const counter = (what: string) => scope.counter(`${prefix}${what}`);
  return {
    compressed: counter('compressed'),
    notCompressed: counter('not_compressed'),
    uncompressedBytes: counter('total_uncompressed_bytes'),
    compressedBytes: counter('total_compressed_bytes'),
    tooSmall: counter('content_length_too_small'),
  };
}

export function negotiationStats(scope: StatsScope, prefix: string): NegotiationStats {
  const counter = (what: string) => scope.counter(`${prefix}${what}`);
  return {
    noAcceptHeader: counter('no_accept_header'),
    identity: counter('header_identity'),
    used: counter('header_compressor_used'),
    overshadowed: counter('header_compressor_overshadowed'),
    wildcard: counter('header_wildcard'),
    notValid: counter('header_not_valid'),
    etag: counter('not_compressed_etag'),
  };
}

/** Where the compressors of one chain see each other: a client's choice is made among all of them. */
const CHAIN = 'envoy.filters.http.compressor';

interface Chain {
  readonly configs: CompressorConfig[];
  decision: Decision | undefined;
}

/** Compresses bodies of one encoding. */
export class CompressorFilter implements HttpFilter {
  readonly #config: CompressorConfig;
  readonly #perRoute: CompressorPerRoute | undefined;
  readonly #callbacks: HttpFilterCallbacks;
  readonly #chain: Chain;
  #accept: string | undefined;
  #request: ByteTransform | undefined;
  #response: ByteTransform | undefined;
  #requestTrailers = false;
  #responseTrailers = false;

  constructor(config: CompressorConfig, perRoute: CompressorPerRoute | undefined, callbacks: HttpFilterCallbacks) {
    this.#config = config;
    this.#perRoute = perRoute;
    this.#callbacks = callbacks;
    const found = callbacks.info.filterState.get(CHAIN) as Chain | undefined; // only this filter writes this key
    this.#chain = found ?? { configs: [], decision: undefined };
    if (found === undefined) callbacks.info.filterState.set(CHAIN, this.#chain);
    this.#chain.configs.push(config);
  }
  onRequestHead(head: RequestHead, endStream: boolean): FilterStatus {
    this.#accept = headerJoined(head.headers, 'accept-encoding');
    const { response, request, library } = this.#config;
    if (response.enabled() && (this.#perRoute?.removeAcceptEncoding ?? response.removeAcceptEncoding))
      removeHeader(head.headers, 'accept-encoding');
    if (
      endStream ||
      !request.enabled() ||
      !largeEnough(request, head.headers) ||
      !allowsType(request, head.headers) ||
      header(head.headers, 'content-encoding') !== undefined
    ) {
      request.stats.notCompressed.add(1);
      return 'continue';
    }
    removeHeader(head.headers, 'content-length');
    head.headers.push('content-encoding', library.encoding);
    request.stats.compressed.add(1);
    this.#request = this.#transform('request', request.stats);
    return 'continue';
  }
  onRequestData(data: Buffer, endStream: boolean): FilterDataStatus {
    return take(this.#request, this.#config.request.stats, data, endStream, false);
  }
  onRequestTrailers(): FilterStatus {
    this.#requestTrailers = true;
    return finish(this.#request);
  }
  onResponseHead(head: ResponseHead, endStream: boolean): FilterStatus {
    const { response: rules, library } = this.#config;
    const { headers } = head;
    const enabled = rules.enabled() && this.#perRoute?.disabled !== true && largeEnough(rules, headers);
    const compressible = enabled && this.#compressible(head);
    if (!endStream && enabled && this.#accepted(head) && compressible) {
      weakenEtag(headers);
      removeHeader(headers, 'content-length');
      headers.push('content-encoding', library.encoding);
      rules.stats.compressed.add(1);
      this.#response = this.#transform('response', rules.stats);
    } else rules.stats.notCompressed.add(1);
    if (compressible) addVary(headers);
    return 'continue';
  }
  onResponseData(data: Buffer, endStream: boolean): FilterDataStatus {
    const { upstreamProtocol } = this.#callbacks.info;
    const http1 = upstreamProtocol !== undefined && upstreamProtocol !== 'HTTP/2';
    return take(this.#response, this.#config.response.stats, data, endStream, http1);
  }
  onResponseTrailers(): FilterStatus {
    this.#responseTrailers = true;
    return finish(this.#response);
  }
  onComplete(): void {
    this.#request?.close();
    this.#response?.close();
  }
  #compressible({ status, headers }: ResponseHead): boolean {
    const { response: rules } = this.#config;
    if (this.#callbacks.request.upgrade !== undefined || status === 101) return false;
    if (rules.uncompressibleStatuses.has(status) || !allowsType(rules, headers)) return false;
    if (hasToken(headerJoined(headers, 'cache-control'), 'no-transform')) return false;
    if (rules.disableOnEtag && header(headers, 'etag') !== undefined) {
      rules.negotiation.etag.add(1);
      return false;
    }
    return header(headers, 'content-encoding') === undefined;
  }
  #accepted({ headers }: ResponseHead): boolean {
    const { negotiation } = this.#config.response;
    if (this.#accept === undefined) {
      negotiation.noAcceptHeader.add(1);
      return false;
    }
    const chain = this.#chain;
    if (chain.decision === undefined) {
      const candidates: Candidate[] = chain.configs
        .filter(({ response }) => response.enabled() && allowsType(response, headers))
        .map(({ library, chooseFirst }) => ({ encoding: library.encoding, chooseFirst }));
      chain.decision = chooseEncoding(this.#accept, candidates);
    }
    const { decision } = chain;
    switch (decision.kind) {
      case 'identity':
        negotiation.identity.add(1);
        return false;
      case 'not-valid':
        negotiation.notValid.add(1);
        return false;
      default: {
        const chosen = decision.encoding === this.#config.library.encoding;
        if (decision.kind === 'wildcard') negotiation.wildcard.add(1);
        else if (chosen) negotiation.used.add(1);
        else negotiation.overshadowed.add(1);
        return chosen;
      }
    }
  }
  #transform(direction: 'request' | 'response', stats: DirectionStats): ByteTransform {
    const callbacks = this.#callbacks;
    const request = direction === 'request';
    const pass = (data: Buffer, end: boolean): void => {
      if (request) callbacks.passRequestData(this, data, end);
      else callbacks.passResponseData(this, data, end);
    };
    const owner: ByteTransformOwner = {
      onBytes: (data) => {
        stats.compressedBytes.add(data.length);
        pass(data, false);
      },
      onEnd: () => {
        // With trailers to come the body does not end the stream: they do.
        if (request ? this.#requestTrailers : this.#responseTrailers) {
          if (request) callbacks.continueRequest(this);
          else callbacks.continueResponse(this);
        } else pass(Buffer.alloc(0), true);
      },
      onError: () => callbacks.sendLocalReply({ status: 500, body: '', details: 'compression_failed' }),
      pause: () => (request ? callbacks.pauseRequest() : callbacks.pauseResponse()),
      resume: () => (request ? callbacks.resumeRequest() : callbacks.resumeResponse()),
    };
    const { library } = this.#config;
    return new ByteTransform(library.create(), owner, library.flushKind);
  }
}

function take(
  transform: ByteTransform | undefined,
  stats: DirectionStats | undefined,
  data: Buffer,
  endStream: boolean,
  flushEnd: boolean,
): FilterDataStatus {
  if (transform === undefined) return 'continue';
  stats?.uncompressedBytes.add(data.length);
  transform.write(data, endStream, flushEnd);
  return 'taken';
}

function finish(transform: ByteTransform | undefined): FilterStatus {
  if (transform === undefined) return 'continue';
  transform.write(Buffer.alloc(0), true);
  return 'stop';
}

function largeEnough(rules: DirectionRules, headers: HeaderList): boolean {
  const length = header(headers, 'content-length');
  if (length === undefined) return true;
  const large = /^\d+$/.test(length) && Number(length) >= rules.minBytes;
  if (!large) rules.stats.tooSmall.add(1);
  return large;
}

function allowsType(rules: DirectionRules, headers: HeaderList): boolean {
  const type = header(headers, 'content-type');
  return type === undefined || type === '' || rules.contentTypes.has((type.split(';')[0] ?? '').trim().toLowerCase());
}

function hasToken(list: string | undefined, token: string): boolean {
  return list?.split(',').some((part) => part.trim().toLowerCase() === token) ?? false;
}

/** A strong validator names exact bytes, which these no longer are. */
function weakenEtag(headers: HeaderList): void {
  const etag = header(headers, 'etag');
  if (etag !== undefined && !(etag.length > 2 && /^w\//i.test(etag))) removeHeader(headers, 'etag');
}

function addVary(headers: HeaderList): void {
  const vary = headerJoined(headers, 'vary');
  if (vary === undefined || vary === '') setHeader(headers, 'vary', 'Accept-Encoding');
  // In this spelling only, as Envoy looks for it.
  else if (!vary.includes('Accept-Encoding')) setHeader(headers, 'vary', `${vary}, Accept-Encoding`);
}
