import { create } from '@bufbuild/protobuf';
import { type Duration, DurationSchema } from '@bufbuild/protobuf/wkt';
import { type ServerUnaryCall, type sendUnaryData, status, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { type Clock, errorText, type Logger } from '@xebec/core';
import { type AttributeBag, decodeAttributes, decodeReport, ReferenceTracker } from '@xebec/expressions';
import { CompressedAttributesSchema } from '@xebec/protos/istio/mixer/v1/attributes';
import {
  type CheckRequest,
  type CheckResponse,
  type CheckResponse_QuotaResult,
  CheckResponse_QuotaResultSchema,
  CheckResponseSchema,
  HeaderOperation_Operation,
  Mixer,
  type ReportRequest,
  type ReportResponse,
  ReportResponseSchema,
} from '@xebec/protos/istio/mixer/v1/mixer';
import { serviceDefinition } from '@xebec/rpc';
import type { CheckOutcome, Dispatcher, HeaderChange } from './dispatcher.ts';
import type { MixerMetrics } from './metrics.ts';
import type { MixerService } from './services.ts';

const mixerDefinition = serviceDefinition(Mixer);

export interface MixerServiceOptions {
  readonly dispatcher: Dispatcher;
  readonly metrics: MixerMetrics;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A request that cannot be answered, with its gRPC status. */
class RequestError extends Error {
  readonly code: status;
  constructor(code: status, message: string) {
    super(message);
    this.code = code;
  }
}

/** `istio.mixer.v1.Mixer`. */
export function mixerApi(options: MixerServiceOptions): MixerService {
  return { definition: mixerDefinition, implementation: createMixerService(options) };
}

function createMixerService({ dispatcher, metrics, clock, logger }: MixerServiceOptions): UntypedServiceImplementation {
  const answer =
    <Q, A>(method: string, run: (request: Q) => A | Promise<A>) =>
    async (call: ServerUnaryCall<Q, A>, callback: sendUnaryData<A>): Promise<void> => {
      const started = clock.monotonic();
      let code = status.OK;
      try {
        callback(null, await run(call.request));
      } catch (error) {
        code = error instanceof RequestError ? error.code : status.INTERNAL;
        if (code === status.INTERNAL) logger.error({ method }, errorText(error));
        callback({ code, details: errorText(error) });
      }
      metrics.requests.inc({ method, code: String(code) });
      metrics.requestDuration.observe({ method }, (clock.monotonic() - started) / 1000);
    };
  return {
    Check: answer('Check', async (request: CheckRequest): Promise<CheckResponse> => {
      refuseGlobalWords(request.globalWordCount);
      const decoded = decodeAttributes(request.attributes ?? create(CompressedAttributesSchema));
      if (!decoded.ok) throw new RequestError(status.INVALID_ARGUMENT, `attributes: ${decoded.error}`);
      const bag = decoded.value;
      const tracker = new ReferenceTracker();
      const outcome = await dispatcher.check(bag, tracker);
      // Quota is not taken for what is refused anyway.
      const quotas = outcome.code === 0 ? await takeQuotas(dispatcher, request, bag) : {};
      return create(CheckResponseSchema, {
        precondition: {
          status: { code: outcome.code, message: outcome.message },
          validDuration: toDuration(outcome.validDurationMs),
          validUseCount: outcome.validUseCount,
          referencedAttributes: tracker.toMessage(),
          ...routeDirective(outcome),
        },
        quotas,
      });
    }),
    Report: answer('Report', (request: ReportRequest): ReportResponse => {
      refuseGlobalWords(request.globalWordCount);
      const bags = decodeReport(request);
      if (!bags.ok) throw new RequestError(status.INVALID_ARGUMENT, bags.error);
      metrics.reportedBags.inc(bags.value.length);
      dispatcher.report(bags.value);
      return create(ReportResponseSchema);
    }),
  };
}

/** Our end knows no global dictionary: words travel with each message. */
function refuseGlobalWords(count: number): void {
  if (count > 0) {
    throw new RequestError(status.INVALID_ARGUMENT, `global_word_count is ${count}, but this Mixer has no global dictionary; send 0`);
  }
}

async function takeQuotas(
  dispatcher: Dispatcher,
  request: CheckRequest,
  bag: AttributeBag,
): Promise<Record<string, CheckResponse_QuotaResult>> {
  const results = await Promise.all(
    Object.entries(request.quotas).map(async ([name, { amount, bestEffort }]) => {
      const tracker = new ReferenceTracker();
      const wanted = Number(amount);
      const args = {
        amount: wanted,
        bestEffort,
        deduplicationId: request.deduplicationId === '' ? '' : `${request.deduplicationId}:${name}`,
      };
      // Without a rule for this quota nothing limits it.
      const grant = (await dispatcher.quota(name, args, bag, tracker)) ?? { code: 0, message: '', amount: wanted, validDurationMs: 60_000 };
      const result = create(CheckResponse_QuotaResultSchema, {
        validDuration: toDuration(grant.validDurationMs),
        grantedAmount: BigInt(Math.floor(grant.amount)),
        referencedAttributes: tracker.toMessage(),
        status: { code: grant.code, message: grant.message },
      });
      return [name, result] as const;
    }),
  );
  return Object.fromEntries(results);
}

function routeDirective({ requestHeaders, responseHeaders }: CheckOutcome) {
  if (requestHeaders.length === 0 && responseHeaders.length === 0) return {};
  const operations = (changes: readonly HeaderChange[]) =>
    changes.map(({ name, value, operation }) => ({ name, value, operation: HeaderOperation_Operation[operation] }));
  return {
    routeDirective: { requestHeaderOperations: operations(requestHeaders), responseHeaderOperations: operations(responseHeaders) },
  };
}

function toDuration(ms: number): Duration {
  const seconds = Math.floor(ms / 1000);
  return create(DurationSchema, { seconds: BigInt(seconds), nanos: Math.round((ms - seconds * 1000) * 1e6) });
}
