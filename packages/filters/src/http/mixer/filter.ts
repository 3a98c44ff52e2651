import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { errorText, type Random } from '@xebec/core';
import {
  CheckRequestSchema,
  type CheckResponse_PreconditionResult,
  CheckResponseSchema,
  type HeaderOperation,
  HeaderOperation_Operation as Operation,
} from '@xebec/protos/istio/mixer/v1/mixer';
import { type HeaderList, type ResponseHead, removeHeader, setHeader } from '@xebec/wire';
import type { FilterContext, FilterStatus, HttpFilter, HttpFilterCallbacks } from '../../http-filter.ts';
import { type AttributeBag, addRequestAttributes, addResponseAttributes, type CheckOutcome } from './attributes.ts';
import type { CheckCache } from './check-cache.ts';
import { compressAttributes } from './compress.ts';
import type { MixerReporter } from './reporter.ts';
import { httpStatusOf, rpcCodeName } from './rpc-status.ts';

export interface MixerPerRoute {
  readonly disableCheck: boolean;
  readonly disableReport: boolean;
  readonly attributes: AttributeBag;
}

export interface MixerConfig {
  readonly context: FilterContext;
  readonly checkCluster: string;
  readonly checkTimeoutMs: number;
  readonly failOpen: boolean;
  readonly attributes: AttributeBag;
  readonly cache: CheckCache;
  readonly reporter: MixerReporter | undefined;
}

const unavailable = 14;

export function createMixerFilter(config: MixerConfig, perRoute: MixerPerRoute | undefined, callbacks: HttpFilterCallbacks): HttpFilter {
  const { context } = config;
  const { info, request } = callbacks;
  const bag: AttributeBag = new Map([...config.attributes, ...(perRoute?.attributes ?? [])]);
  const stats = context.stats.scope('http_mixer_filter');
  let collected = false;
  let ended = false;
  let outcome: CheckOutcome | undefined;
  let response: ResponseHead | undefined;
  let responseOperations: readonly HeaderOperation[] = [];

  const collect = (): void => {
    if (collected) return;
    collected = true;
    addRequestAttributes(bag, request, info, context);
  };
  /** Applies an answer; true when the request may go on. */
  const apply = (result: CheckResponse_PreconditionResult | undefined, cacheHit: boolean): boolean => {
    const code = result?.status?.code ?? 0;
    const message = result?.status?.message ?? '';
    outcome = { errorCode: code, errorMessage: message, cacheHit };
    const directive = result?.routeDirective;
    if (code !== 0 || (directive !== undefined && directive.directResponseCode !== 0)) {
      const direct = directive?.directResponseCode ?? 0;
      callbacks.sendLocalReply({
        status: direct === 0 ? httpStatusOf(code) : direct,
        body: direct === 0 ? `${rpcCodeName(code)}:${message}` : (directive?.directResponseBody ?? ''),
        details: 'mixer_check_denied',
        flag: 'UAEX',
        headers: (directive?.responseHeaderOperations ?? []).flatMap((operation) => [operation.name.toLowerCase(), operation.value]),
      });
      return false;
    }
    if (directive !== undefined) {
      applyOperations(request.headers, directive.requestHeaderOperations);
      responseOperations = directive.responseHeaderOperations;
    }
    return true;
  };
  const failed = (error: unknown): void => {
    stats.counter('total_remote_check_failures').add(1);
    context.logger.debug({ error: errorText(error), failOpen: config.failOpen }, 'Mixer did not answer a check');
    outcome = { errorCode: unavailable, errorMessage: 'Mixer did not answer', cacheHit: false };
    if (config.failOpen) callbacks.continueRequest();
    else
      callbacks.sendLocalReply({ status: 503, body: 'UNAVAILABLE:policy check failed', details: 'mixer_check_unavailable', flag: 'UAEX' });
  };

  return {
    onRequestHead(): FilterStatus {
      if (config.checkCluster === '' || perRoute?.disableCheck === true) return 'continue';
      collect();
      stats.counter('total_check_calls').add(1);
      const cached = config.cache.get(bag);
      if (cached !== undefined) {
        stats.counter('total_check_cache_hits').add(1);
        return apply(cached, true) ? 'continue' : 'stop';
      }
      stats.counter('total_remote_check_calls').add(1);
      const message = create(CheckRequestSchema, {
        attributes: compressAttributes(bag),
        globalWordCount: 0,
        deduplicationId: identifier(context.random),
      });
      context.upstream
        .grpcUnary(config.checkCluster, '/istio.mixer.v1.Mixer/Check', toBinary(CheckRequestSchema, message), config.checkTimeoutMs)
        .then((bytes) => fromBinary(CheckResponseSchema, bytes).precondition)
        .then(
          (result) => {
            if (result !== undefined) config.cache.put(bag, result);
            if (!ended && apply(result, false)) callbacks.continueRequest();
          },
          (error: unknown) => {
            if (!ended) failed(error);
          },
        )
        .catch((error: unknown) => context.logger.error({ error: errorText(error) }, 'handling an answer of Mixer failed'));
      return 'stop';
    },
    onResponseHead(head) {
      response = head;
      applyOperations(head.headers, responseOperations);
      return 'continue';
    },
    onComplete() {
      ended = true;
      if (config.reporter === undefined || perRoute?.disableReport === true) return;
      collect();
      addResponseAttributes(bag, info, response, outcome);
      config.reporter.report(bag);
    },
  };
}

function applyOperations(headers: HeaderList, operations: readonly HeaderOperation[]): void {
  for (const { name, value, operation } of operations) {
    const key = name.toLowerCase();
    if (operation === Operation.REMOVE) removeHeader(headers, key);
    else if (operation === Operation.APPEND) headers.push(key, value);
    else setHeader(headers, key, value);
  }
}

/** 128 bits in hex: the same for retries of one check, so that quota is taken once. */
function identifier(random: Random): string {
  let text = '';
  for (let i = 0; i < 4; i++)
    text += Math.floor(random.next() * 2 ** 32)
      .toString(16)
      .padStart(8, '0');
  return text;
}
