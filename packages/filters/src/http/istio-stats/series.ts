import { type FormatContext, responseFlagsText, type StreamInfo } from '@xebec/telemetry';
import type { HeaderList, RequestHead, ResponseHead } from '@xebec/wire';
import { downstreamPeerKey, peerFromEndpoint, peerInState, upstreamPeerKey } from '../../peer/workload-peer.ts';
import { type EndLabels, endLabels, grpcStatusOf, type LabelOptions, requestLabels } from './labels.ts';
import type { Handle, MetricFamily } from './metrics.ts';
import { noValues, type TagExpressions } from './tag-expressions.ts';

/** Requests that share all labels are counted by one of these; a metric that the configuration drops is absent. */
export interface Series {
  readonly requests: Handle | undefined;
  readonly durations: Handle | undefined;
  readonly requestBytes: Handle | undefined;
  readonly responseBytes: Handle | undefined;
  /** The user's own metrics, with what this stream adds to each. */
  readonly own: readonly { readonly handle: Handle; readonly amount: number; readonly level: boolean }[];
}

/** What of a stream decides its labels. */
export interface CountedStream extends FormatContext {
  readonly request: RequestHead;
  readonly response: ResponseHead | undefined;
  readonly responseTrailers: HeaderList | undefined;
}

/** More at one time means labels that vary per request: start over rather than grow. */
const maxSeries = 5000;

/**
 * Finds a request's series by the few things that its labels are made from, instead of making two dozen labels to compare: who is
 * at both ends (objects that stay the same), cluster, protocol, response code and flags.
 */
export class SeriesIndex {
  readonly #family: MetricFamily;
  readonly #options: LabelOptions;
  readonly #expressions: TagExpressions;
  readonly #series = new Map<string, Series>();
  readonly #numbers = new WeakMap<object, number>();
  #lastNumber = 0;
  #generation = 0;

  constructor(family: MetricFamily, options: LabelOptions, expressions: TagExpressions) {
    this.#family = family;
    this.#options = options;
    this.#expressions = expressions;
  }
  of(stream: CountedStream, grpc: boolean): Series {
    const { info, request } = stream;
    const grpcStatus = grpc ? (grpcStatusOf(stream.responseTrailers) ?? grpcStatusOf(stream.response?.headers)) : undefined;
    const flags = info.hasResponseFlags === false ? '' : responseFlagsText(info.responseFlags);
    const authority = this.#options.hostFallback ? request.authority : '';
    const protocol = grpc ? `g${grpcStatus ?? ''}` : 'h';
    // No value has the separator in it: parsers refuse it.
    let key = `${info.responseCode}${protocol}${flags}\u0000${this.#ends(info)}\u0000${info.upstreamCluster}\u0000${authority}${service(info)}`;
    let values = noValues;
    if (this.#expressions.size > 0) {
      values = this.#expressions.values(stream);
      for (const value of values) key += `\u0000${value}`;
    }
    if (this.#generation !== this.#family.generation) {
      this.#generation = this.#family.generation;
      this.#series.clear();
    }
    let series = this.#series.get(key);
    if (series === undefined) {
      series = this.#make(stream, grpc, grpcStatus, values);
      if (this.#series.size >= maxSeries) this.#series.clear();
      this.#series.set(key, series);
    }
    return series;
  }
  /** Handles of gRPC's message counters, whose labels are who calls whom. */
  messages(stream: CountedStream): { readonly requests: Handle | undefined; readonly responses: Handle | undefined } {
    const values = this.#expressions.size > 0 ? this.#expressions.values(stream) : noValues;
    const { ends } = this.#labels(stream);
    return {
      requests: this.#family.handle('request_messages_total', ends, values),
      responses: this.#family.handle('response_messages_total', ends, values),
    };
  }
  /** Whether the other end is known, as far as it will be. */
  knowsPeer(info: StreamInfo): boolean {
    return peerInState(info.filterState, this.#options.reporter === 'source' ? upstreamPeerKey : downstreamPeerKey) !== undefined;
  }
  #labels({ info, request }: CountedStream): EndLabels {
    return endLabels(info, request.authority, this.#options);
  }
  #make(stream: CountedStream, grpc: boolean, grpcStatus: string | undefined, values: readonly string[]): Series {
    const family = this.#family;
    const labels = requestLabels(stream.info, this.#labels(stream), grpc, grpcStatus);
    return {
      requests: family.handle('requests_total', labels, values),
      durations: family.handle('request_duration_milliseconds', labels, values),
      requestBytes: family.handle('request_bytes', labels, values),
      responseBytes: family.handle('response_bytes', labels, values),
      own: family.ownMetrics.map((metric) => {
        const amount = Number(values[metric.value]);
        return {
          handle: family.own(metric, values),
          amount: Number.isSafeInteger(amount) && amount >= 0 ? amount : 0,
          level: metric.kind === 'gauge',
        };
      }),
    };
  }
  #ends(info: StreamInfo): string {
    const services = this.#number(info.clusterMetadata);
    let ends = `${services}`;
    if (this.#options.reporter !== 'destination') {
      const peer =
        (info.hasFilterState === false ? undefined : peerInState(info.filterState, upstreamPeerKey)) ??
        peerFromEndpoint(info.upstreamHostMetadata);
      ends += `,${this.#number(peer)}\u0000${info.upstreamPeer?.uriSans[0] ?? ''}`;
    }
    if (this.#options.reporter !== 'source') {
      const peer = info.hasFilterState === false ? undefined : peerInState(info.filterState, downstreamPeerKey);
      const { tls } = info.connection;
      ends += `;${this.#number(peer)}`;
      if (tls?.peer !== undefined) ends += `\u0000${tls.peer.uriSans[0] ?? ''}\u0000${tls.localUriSan}`;
    }
    return ends;
  }
  /** Objects are told apart by number; 0 is none. */
  #number(object: object | undefined): number {
    if (object === undefined) return 0;
    let number = this.#numbers.get(object);
    if (number === undefined) {
      number = ++this.#lastNumber;
      this.#numbers.set(object, number);
    }
    return number;
  }
}

/** The two routes whose names stand for services. */
function service({ routeName }: StreamInfo): string {
  return routeName === 'block_all' ? '\u0000b' : routeName === 'allow_any' ? '\u0000a' : '';
}
