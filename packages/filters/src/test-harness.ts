import { create, type DescMessage, fromJson, type JsonValue, toBinary } from '@bufbuild/protobuf';
import { seededRandom, silentLogger, VirtualClock } from '@xebec/core';
import { createProtoRegistry } from '@xebec/protos/registry';
import { type ConnectionInfo, createStats, createStreamInfo, formatStatsText, type StreamInfo } from '@xebec/telemetry';
import type { HeaderList, RequestHead, ResponseHead } from '@xebec/wire';
import type {
  FilterContext,
  FilterUpstream,
  HttpFilter,
  HttpFilterDefinition,
  HttpFilterFactory,
  LocalReply,
  RouteView,
} from './http-filter.ts';

const registry = createProtoRegistry();

/** Binary configuration from protobuf JSON. */
export function configBytes(schema: DescMessage, json: JsonValue = {}): Uint8Array {
  return toBinary(schema, json === null ? create(schema) : fromJson(schema, json, { registry }));
}

export function testConnection(changes: Partial<ConnectionInfo> = {}): ConnectionInfo {
  return {
    id: 1,
    remoteAddress: '10.0.0.1',
    remotePort: 4000,
    localAddress: '10.0.0.2',
    localPort: 9080,
    requestedServerName: '',
    listenerName: 'virtualInbound',
    filterChainName: '',
    direction: 'inbound',
    ...changes,
  };
}

export function testContext(changes: Partial<FilterContext> = {}) {
  const stats = createStats();
  const clock = new VirtualClock(1_000_000);
  const upstream: FilterUpstream = {
    grpcUnary: () => Promise.reject(new Error('no upstream in this test')),
    http: () => Promise.reject(new Error('no upstream in this test')),
  };
  const context: FilterContext = {
    stats,
    statPrefix: 'test',
    filterName: 'test',
    clock,
    random: seededRandom(7),
    logger: silentLogger,
    node: { id: 'sidecar~10.0.0.2~pod.ns~ns.svc.cluster.local', cluster: 'c', metadata: {} },
    direction: 'inbound',
    upstream,
    ...changes,
  };
  return { context, clock, statsText: () => formatStatsText(stats.collect(), { usedOnly: true }) };
}

/** Drives one filter through one stream and records what it does. */
export class TestStream {
  readonly info: StreamInfo;
  readonly filter: HttpFilter;
  readonly request: RequestHead;
  replies: LocalReply[] = [];
  passedRequest: { data: Buffer; end: boolean }[] = [];
  passedResponse: { data: Buffer; end: boolean }[] = [];
  continuedRequest = 0;
  continuedResponse = 0;

  constructor(
    factory: HttpFilterFactory,
    clock: VirtualClock,
    options: {
      request?: Partial<RequestHead>;
      connection?: Partial<ConnectionInfo>;
      route?: RouteView;
      perRoute?: unknown;
      perRouteLevels?: readonly unknown[];
    } = {},
  ) {
    this.request = { method: 'GET', path: '/', authority: 'host', scheme: 'http', headers: [], version: 'HTTP/1.1', ...options.request };
    this.info = createStreamInfo(testConnection(options.connection), clock.now(), clock.monotonic());
    this.filter = factory.create({
      info: this.info,
      request: this.request,
      route: () => options.route,
      clearRoute: () => undefined,
      perRouteConfig: () => options.perRoute,
      perRouteConfigs: () => options.perRouteLevels ?? (options.perRoute === undefined ? [] : [options.perRoute]),
      continueRequest: () => {
        this.continuedRequest++;
      },
      continueResponse: () => {
        this.continuedResponse++;
      },
      passRequestData: (_, data, end) => {
        this.passedRequest.push({ data, end });
      },
      passResponseData: (_, data, end) => {
        this.passedResponse.push({ data, end });
      },
      pauseRequest: () => undefined,
      resumeRequest: () => undefined,
      pauseResponse: () => undefined,
      resumeResponse: () => undefined,
      sendLocalReply: (reply) => {
        this.replies.push(reply);
      },
      setTimeout: (fn, delayMs) => clock.setTimeout(fn, delayMs),
    });
  }
  head(endStream = true): 'continue' | 'stop' {
    return this.filter.onRequestHead?.(this.request, endStream) ?? 'continue';
  }
  response(status: number, headers: HeaderList = [], endStream = true): ResponseHead {
    const head: ResponseHead = { status, headers };
    this.info.responseCode = status;
    this.filter.onResponseHead?.(head, endStream);
    return head;
  }
  complete(): void {
    this.filter.onComplete?.();
  }
}

/** Compiles a definition's configuration given as protobuf JSON. */
export function compileTest(
  definition: HttpFilterDefinition,
  schema: DescMessage,
  json: JsonValue,
  context: FilterContext,
): HttpFilterFactory {
  return definition.compile(configBytes(schema, json), schema.typeName, context);
}
