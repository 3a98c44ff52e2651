import type { Counter, StatsScope } from '@xebec/telemetry';
import { type HeaderList, headerJoined, type RequestHead, type ResponseHead, removeHeader, setHeader } from '@xebec/wire';
import { ByteTransform } from '../../compression/byte-transform.ts';
import type { CompressionLibrary } from '../../compression/library.ts';
import type { FilterDataStatus, FilterStatus, HttpFilter, HttpFilterCallbacks } from '../../http-filter.ts';

export type DecompressorStats = Readonly<Record<'decompressed' | 'notDecompressed' | 'uncompressedBytes' | 'compressedBytes', Counter>>;

interface Direction {
  enabled(): boolean;
  readonly ignoreNoTransform: boolean;
  readonly stats: DecompressorStats;
}

export interface DecompressorConfig {
  readonly library: CompressionLibrary;
  /** Adds the encoding to the request's `accept-encoding`. */
  readonly advertise: boolean;
  readonly request: Direction;
  readonly response: Direction;
}

export function decompressorStats(scope: StatsScope, prefix: string): DecompressorStats {
  const counter = (what: string) => scope.counter(`${prefix}${what}`);
  return {
    decompressed: counter('decompressed'),
    notDecompressed: counter('not_decompressed'),
    uncompressedBytes: counter('total_uncompressed_bytes'),
    compressedBytes: counter('total_compressed_bytes'),
  };
}

/** Takes one encoding off bodies. Sizes go with the trailers, as Envoy reports them. */
export class DecompressorFilter implements HttpFilter {
  readonly #config: DecompressorConfig;
  readonly #callbacks: HttpFilterCallbacks;
  #request: ByteTransform | undefined;
  #response: ByteTransform | undefined;
  #requestTrailers: HeaderList | undefined;
  #responseTrailers: HeaderList | undefined;

  constructor(config: DecompressorConfig, callbacks: HttpFilterCallbacks) {
    this.#config = config;
    this.#callbacks = callbacks;
  }
  onRequestHead(head: RequestHead, endStream: boolean): FilterStatus {
    const { advertise, response, library } = this.#config;
    if (response.enabled() && advertise) {
      const before = headerJoined(head.headers, 'accept-encoding');
      const known = before?.split(',').some((encoding) => encoding.trim() === library.encoding) ?? false;
      if (!known) setHeader(head.headers, 'accept-encoding', before === undefined ? library.encoding : `${before},${library.encoding}`);
    }
    if (!endStream && this.#wants(this.#config.request, head.headers)) this.#request = this.#transform('request');
    return 'continue';
  }
  onRequestData(data: Buffer, endStream: boolean): FilterDataStatus {
    return take(this.#request, this.#config.request.stats, data, endStream);
  }
  onRequestTrailers(trailers: HeaderList): FilterStatus {
    this.#requestTrailers = trailers;
    return finish(this.#request);
  }
  onResponseHead(head: ResponseHead, endStream: boolean): FilterStatus {
    if (!endStream && this.#wants(this.#config.response, head.headers)) this.#response = this.#transform('response');
    return 'continue';
  }
  onResponseData(data: Buffer, endStream: boolean): FilterDataStatus {
    return take(this.#response, this.#config.response.stats, data, endStream);
  }
  onResponseTrailers(trailers: HeaderList): FilterStatus {
    this.#responseTrailers = trailers;
    return finish(this.#response);
  }
  onComplete(): void {
    this.#request?.close();
    this.#response?.close();
  }
  #wants(direction: Direction, headers: HeaderList): boolean {
    const { encoding } = this.#config.library;
    const codings = (headerJoined(headers, 'content-encoding') ?? '').split(',').map((coding) => coding.trim());
    const allowed =
      direction.ignoreNoTransform ||
      !(headerJoined(headers, 'cache-control') ?? '').split(',').some((part) => part.trim().toLowerCase() === 'no-transform');
    // The coding that was applied last stands first here, as in Envoy.
    if (!direction.enabled() || !allowed || codings[0]?.toLowerCase() !== encoding) {
      direction.stats.notDecompressed.add(1);
      return false;
    }
    direction.stats.decompressed.add(1);
    removeHeader(headers, 'content-length');
    const rest = codings.slice(1).join(',');
    if (rest === '') removeHeader(headers, 'content-encoding');
    else setHeader(headers, 'content-encoding', rest);
    return true;
  }
  #transform(side: 'request' | 'response'): ByteTransform {
    const callbacks = this.#callbacks;
    const request = side === 'request';
    const { stats } = this.#config[side];
    const pass = (data: Buffer, end: boolean): void => {
      if (request) callbacks.passRequestData(this, data, end);
      else callbacks.passResponseData(this, data, end);
    };
    const transform: ByteTransform = new ByteTransform(this.#config.library.create(), {
      onBytes: (data) => {
        stats.uncompressedBytes.add(data.length);
        pass(data, false);
      },
      onEnd: () => {
        const trailers = request ? this.#requestTrailers : this.#responseTrailers;
        if (trailers === undefined) {
          pass(Buffer.alloc(0), true);
          return;
        }
        const name = `x-envoy-decompressor-${this.#config.library.name}`;
        trailers.push(`${name}-compressed-bytes`, String(transform.bytesIn), `${name}-uncompressed-bytes`, String(transform.bytesOut));
        if (request) callbacks.continueRequest(this);
        else callbacks.continueResponse(this);
      },
      onError: () => callbacks.sendLocalReply({ status: request ? 400 : 502, body: '', details: 'decompression_failed' }),
      pause: () => (request ? callbacks.pauseRequest() : callbacks.pauseResponse()),
      resume: () => (request ? callbacks.resumeRequest() : callbacks.resumeResponse()),
    });
    return transform;
  }
}

function take(transform: ByteTransform | undefined, stats: DecompressorStats, data: Buffer, endStream: boolean): FilterDataStatus {
  if (transform === undefined) return 'continue';
  stats.compressedBytes.add(data.length);
  transform.write(data, endStream);
  return 'taken';
}

function finish(transform: ByteTransform | undefined): FilterStatus {
  if (transform === undefined) return 'continue';
  transform.write(Buffer.alloc(0), true);
  return 'stop';
}
