import { downstreamPeerKey, peerFromEndpoint, peerInState, upstreamPeerKey, type WorkloadPeer } from '@xebec/filters';
import type { ConnectionInfo, FormatContext, StreamInfo } from '@xebec/telemetry';
import { header } from '@xebec/wire';

/** The proxy that looks: whose traffic it is. */
export interface TapProxy {
  readonly workload: WorkloadPeer;
  /** A gateway calls for others: its clients are the sources, not the gateway itself. */
  readonly isGateway: boolean;
}

/** One side of a call. Empty texts where it is not known. */
export interface Party {
  /** SPIFFE ID that a verified certificate gives, or our own. */
  readonly principal: string;
  readonly workload: string;
  readonly namespace: string;
  readonly app: string;
  readonly version: string;
}

/** A finished request or connection as filters and events read it; nothing is computed before somebody asks. */
export class TapSubject {
  readonly context: FormatContext;
  readonly #proxy: TapProxy;
  #source: Party | undefined;
  #destination: Party | undefined;

  constructor(context: FormatContext, proxy: TapProxy) {
    this.context = context;
    this.#proxy = proxy;
  }
  get info(): StreamInfo {
    return this.context.info;
  }
  get isHttp(): boolean {
    return this.context.request !== undefined || this.info.protocol !== '';
  }
  /** As the client asked, whatever routes have made of it. */
  get path(): string {
    const { request } = this.context;
    return request === undefined ? '' : (header(request.headers, 'x-envoy-original-path') ?? request.path);
  }
  get authority(): string {
    return this.context.request?.authority ?? '';
  }
  /** 0: nobody answered. */
  get status(): number {
    return this.info.responseCode;
  }
  get grpcStatus(): number | undefined {
    const { response, responseTrailers } = this.context;
    const text =
      (responseTrailers === undefined ? undefined : header(responseTrailers, 'grpc-status')) ??
      (response === undefined ? undefined : header(response.headers, 'grpc-status'));
    return text === undefined || !/^[0-9]{1,3}$/.test(text) ? undefined : Number(text);
  }
  get direction(): ConnectionInfo['direction'] {
    return this.info.connection.direction;
  }
  get source(): Party {
    this.#source ??= this.#findSource();
    return this.#source;
  }
  get destination(): Party {
    this.#destination ??= this.#findDestination();
    return this.#destination;
  }
  /** The service that was called, by the name of its cluster (`outbound|9080||reviews.default.svc.cluster.local`); empty where it names none. */
  get service(): string {
    return this.info.upstreamCluster.split('|')[3] ?? '';
  }
  #findSource(): Party {
    const { info } = this;
    const client = info.connection.tls?.peer?.uriSans[0] ?? '';
    if (this.direction === 'outbound' && !this.#proxy.isGateway)
      return party(info.upstreamConnection?.localCertificate?.uriSans[0] ?? '', this.#proxy.workload);
    return party(client, info.hasFilterState === false ? undefined : peerInState(info.filterState, downstreamPeerKey));
  }
  #findDestination(): Party {
    const { info } = this;
    if (this.direction === 'inbound') return party(info.connection.tls?.localUriSan ?? '', this.#proxy.workload);
    const told = info.hasFilterState === false ? undefined : peerInState(info.filterState, upstreamPeerKey);
    return party(info.upstreamPeer?.uriSans[0] ?? '', told ?? peerFromEndpoint(info.upstreamHostMetadata));
  }
}

function party(principal: string, peer: WorkloadPeer | undefined): Party {
  const namespace = /\/ns\/([^/]+)\//.exec(principal)?.[1] ?? peer?.namespace ?? '';
  return { principal, workload: peer?.workload ?? '', namespace, app: peer?.app ?? '', version: peer?.version ?? '' };
}
