import type { StreamInfo } from '@xebec/telemetry';
import { type HeaderList, header, type RequestHead, type ResponseHead, removeHeader, setHeader } from '@xebec/wire';
import type { FilterStatus, HttpFilter, HttpFilterCallbacks } from '../../http-filter.ts';
import type { ApiKeyPlace, CheckOutcome, HttpCall } from './call.ts';
import { applyChanges, replyTo } from './check-answer.ts';
import type { CheckClient, CheckVerdict } from './check-client.ts';
import { type ForwardedAttributes, type ForwardedReader, forwardedHeader, namespaceOfUid } from './forwarded-attributes.ts';
import { headerBytes } from './http-attributes.ts';
import { callerOf, downstreamPeer, type KnownPeer, type ProxySide, upstreamPeer } from './peers.ts';
import { chargesOf } from './quota-rules.ts';
import type { MixerReporter } from './reporter.ts';
import type { RouteSettings } from './route-settings.ts';

export interface MixerConfig {
  readonly side: ProxySide;
  /** Absent: no checks. */
  readonly checks: CheckClient<HttpCall> | undefined;
  /** Absent: no reports. */
  readonly reporter: MixerReporter<HttpCall> | undefined;
  readonly forwarded: ForwardedReader;
  readonly ignoreForwarded: boolean;
  /** The header's value for the next proxy; undefined: none. */
  readonly forward: string | undefined;
}

const externalClusters = new Set(['PassthroughCluster', 'BlackHoleCluster']);

/** One request's part in it: asks whether it may go on, and tells how it went. */
export class MixerFilter implements HttpFilter, HttpCall {
  readonly side: ProxySide;
  readonly info: StreamInfo;
  readonly request: RequestHead;
  readonly apiKeys: readonly ApiKeyPlace[];
  forwarded: ForwardedAttributes | undefined = undefined;
  outcome: CheckOutcome | undefined = undefined;
  response: ResponseHead | undefined = undefined;
  responseTrailers: HeaderList | undefined = undefined;
  requestHeaderBytes = 0;
  api: ReadonlyMap<string, string> | undefined = undefined;
  readonly #config: MixerConfig;
  readonly #route: RouteSettings;
  readonly #callbacks: HttpFilterCallbacks;
  #peer: KnownPeer | null | undefined = undefined;
  #verdict: CheckVerdict | undefined = undefined;
  #seen = false;
  #ended = false;

  constructor(config: MixerConfig, route: RouteSettings, callbacks: HttpFilterCallbacks) {
    this.#config = config;
    this.#route = route;
    this.#callbacks = callbacks;
    this.side = config.side;
    this.info = callbacks.info;
    this.request = callbacks.request;
    this.apiKeys = route.apiKeys;
  }
  get peer(): KnownPeer | undefined {
    if (this.#peer === undefined) {
      const found = this.side.inbound ? downstreamPeer(this.info) : upstreamPeer(this.info);
      // Who an outbound call goes to is not known before it went.
      if (found === undefined && !this.side.inbound && !this.#ended) return undefined;
      this.#peer = found ?? null;
    }
    return this.#peer ?? undefined;
  }
  onRequestHead(head: RequestHead): FilterStatus {
    this.#seen = true;
    this.#begin(head);
    const { checks } = this.#config;
    if (checks === undefined || this.#route.disableCheck) return 'continue';
    const { checked, quotaRules } = this.#route;
    const charges = quotaRules.length === 0 ? [] : chargesOf(quotaRules, checked, this);
    const verdict = checks.check(checked, this, charges, (later) => {
      if (this.#ended) this.#note(later);
      else if (this.#apply(later)) this.#callbacks.continueRequest(this);
    });
    if (verdict === undefined) return 'stop';
    return this.#apply(verdict) ? 'continue' : 'stop';
  }
  onRequestTrailers(trailers: HeaderList): FilterStatus {
    this.requestHeaderBytes += headerBytes(trailers);
    return 'continue';
  }
  onResponseHead(head: ResponseHead): FilterStatus {
    this.response = head;
    const answer = this.#verdict?.answer;
    if (answer !== undefined && answer.responseHeaders.length > 0 && (answer.code === 0 || answer.directStatus !== 0)) {
      applyChanges(head.headers, answer.responseHeaders);
    }
    return 'continue';
  }
  onResponseTrailers(trailers: HeaderList): FilterStatus {
    this.responseTrailers = trailers;
    return 'continue';
  }
  onComplete(): void {
    this.#ended = true;
    const { reporter } = this.#config;
    if (reporter === undefined || this.#route.disableReport) return;
    // An earlier filter has answered: the request never came by.
    if (!this.#seen) this.#begin(this.request);
    reporter.report(this.#route.reported, this);
  }

  #begin(head: RequestHead): void {
    const { inbound } = this.side;
    const { forward, ignoreForwarded, forwarded } = this.#config;
    const told = header(head.headers, forwardedHeader);
    if (told !== undefined) {
      if (inbound && !ignoreForwarded) this.forwarded = believable(forwarded.read(told), this.info);
      removeHeader(head.headers, forwardedHeader);
    }
    this.api = this.#route.apiOf(head);
    if (this.#config.reporter !== undefined) this.requestHeaderBytes = bytesOfHead(head);
    if (forward !== undefined && !inbound && !externalClusters.has(this.#callbacks.route()?.clusterName ?? 'BlackHoleCluster')) {
      setHeader(head.headers, forwardedHeader, forward);
    }
  }
  /** True when the request may go on. */
  #apply(verdict: CheckVerdict): boolean {
    this.#note(verdict);
    const { answer } = verdict;
    if (answer.code !== 0 || answer.directStatus !== 0) {
      this.#callbacks.sendLocalReply({
        ...replyTo(answer),
        details: answer.directStatus === 0 ? 'mixer_access_denied' : 'mixer_direct_response',
        ...(answer.code === 0 ? {} : { flag: 'UAEX' as const }),
      });
      return false;
    }
    if (answer.requestHeaders.length > 0) {
      applyChanges(this.request.headers, answer.requestHeaders);
      this.#callbacks.clearRoute();
    }
    return true;
  }
  #note(verdict: CheckVerdict): void {
    this.#verdict = verdict;
    const { answer, cacheHit, quotaCacheHit } = verdict;
    this.outcome = { errorCode: answer.code, errorMessage: answer.message, cacheHit, quotaCacheHit };
  }
}

function bytesOfHead({ headers, path, authority, method, scheme }: RequestHead): number {
  // With the names of the pseudo headers.
  return headerBytes(headers) + path.length + authority.length + method.length + scheme.length + 29;
}

/**
 * What a caller's proxy says of itself counts when the caller has shown a certificate of the namespace it claims: strangers, and
 * workloads of other namespaces, must not choose their attributes.
 */
function believable(told: ForwardedAttributes | undefined, { connection }: StreamInfo): ForwardedAttributes | undefined {
  const namespace = told === undefined ? undefined : callerOf(connection)?.namespace;
  if (told === undefined || namespace === undefined) return undefined;
  const believed = new Map(told);
  const uid = told.get('source.uid');
  if (uid !== undefined && namespaceOfUid(uid) !== namespace) believed.delete('source.uid');
  if (told.get('source.namespace') !== namespace) believed.delete('source.namespace');
  return believed;
}
