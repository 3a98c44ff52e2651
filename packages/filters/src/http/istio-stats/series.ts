import { isGrpcRequest } from '@xebec/matching';
import { type Counter, type FormatContext, responseFlagsText, type StreamInfo } from '@xebec/telemetry';
import type { HeaderList, RequestHead, ResponseHead } from '@xebec/wire';
import { downstreamPeerKey, peerFromEndpoint, peerInState, upstreamPeerKey } from '../../peer/workload-peer.ts';
import type { DimensionExpressions } from './config.ts';
import { grpcStatusOf, type LabelOptions, type Labels, requestLabels } from './labels.ts';
import type { Handle, MetricFamily } from './metrics.ts';

/** Requests that share all labels are counted by one of these. */
export interface Series {
  readonly requests: Handle | undefined;
  readonly durations: Handle | undefined;
  readonly requestBytes: Handle | undefined;
  readonly responseBytes: Handle | undefined;
  /** gRPC messages, made when there are some. */
  readonly messages: { readonly request: Counter; readonly response: Counter };
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
  readonly #dimensions: DimensionExpressions;
  readonly #series = new Map<string, Series>();
  readonly #numbers = new WeakMap<object, number>();
  #lastNumber = 0;

  constructor(family: MetricFamily, options: LabelOptions, dimensions: DimensionExpressions) {
    this.#family = family;
    this.#options = options;
    this.#dimensions = dimensions;
  }
  of(stream: CountedStream): Series {
    const { info, request } = stream;
    const grpc = isGrpcRequest(request);
    const grpcStatus = grpc ? (grpcStatusOf(stream.responseTrailers) ?? grpcStatusOf(stream.response?.headers)) : undefined;
    const flags = info.hasResponseFlags === false ? '' : responseFlagsText(info.responseFlags);
    const authority = this.#options.hostFallback ? request.authority : '';
    const protocol = grpc ? `g${grpcStatus ?? ''}` : 'h';
    // No value has the separator in it: parsers refuse it.
    let key = `${info.responseCode}${protocol}${flags}\u0000${this.#ends(info)}\u0000${info.upstreamCluster}\u0000${authority}`;
    const added: Labels = {};
    for (const [name, compute] of this.#dimensions) {
      const value = compute(stream);
      added[name] = value;
      key += `\u0000${value}`;
    }
    let series = this.#series.get(key);
    if (series === undefined) {
      series = this.#make(requestLabels(info, request, grpcStatus, this.#options), added);
      if (this.#series.size >= maxSeries) this.#series.clear();
      this.#series.set(key, series);
    }
    return series;
  }
  #make(labels: Labels, added: Labels): Series {
    const family = this.#family;
    const handles = family.handles(labels, added);
    let messages: Series['messages'] | undefined;
    return {
      requests: handles.get('istio_requests_total'),
      durations: handles.get('istio_request_duration_milliseconds'),
      requestBytes: handles.get('istio_request_bytes'),
      responseBytes: handles.get('istio_response_bytes'),
      get messages() {
        messages ??= {
          request: family.message('istio_request_messages_total', labels),
          response: family.message('istio_response_messages_total', labels),
        };
        return messages;
      },
    };
  }
  #ends(info: StreamInfo): string {
    const services = this.#number(info.clusterMetadata);
    if (this.#options.reporter === 'source') {
      const peer =
        (info.hasFilterState === false ? undefined : peerInState(info.filterState, upstreamPeerKey)) ??
        peerFromEndpoint(info.upstreamHostMetadata);
      return `${services},${this.#number(peer)}\u0000${info.upstreamPeer?.uriSans[0] ?? ''}`;
    }
    const peer = info.hasFilterState === false ? undefined : peerInState(info.filterState, downstreamPeerKey);
    const { tls } = info.connection;
    const principals = tls?.peer === undefined ? '' : `\u0000${tls.peer.uriSans[0] ?? ''}\u0000${tls.localUriSan}`;
    return `${services},${this.#number(peer)}${principals}`;
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
