import { create } from '@bufbuild/protobuf';
import { type Duration, DurationSchema } from '@bufbuild/protobuf/wkt';
import { type ServerUnaryCall, type sendUnaryData, status, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { type Clock, errorText, type Logger, type Result } from '@xebec/core';
import {
  type AttributeBag,
  type CheckCall,
  decodeCheckCall,
  globalDictionary,
  MalformedMessage,
  openReportCall,
  ReferenceTracker,
} from '@xebec/expressions';
import {
  type CheckResponse,
  type CheckResponse_QuotaResult,
  CheckResponse_QuotaResultSchema,
  CheckResponseSchema,
  HeaderOperation_Operation,
  Mixer,
  type ReportResponse,
  ReportResponseSchema,
} from '@xebec/protos/istio/mixer/v1/mixer';
import { serviceDefinition } from '@xebec/rpc';
import type { CheckOutcome, Dispatcher, HeaderChange } from './dispatcher.ts';
import type { MixerMetrics } from './metrics.ts';
import type { MixerService } from './services.ts';

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

const generated = serviceDefinition(Mixer);

const asBytes = (bytes: Buffer): Buffer => bytes;

/**
 * The generated service, but requests are read straight from their bytes, and only when their turn has come: decoded ones that wait would be
 * copied by each garbage collection.
 */
const definition = {
  ...generated,
  Check: { ...generated['Check'], requestDeserialize: asBytes },
  Report: { ...generated['Report'], requestDeserialize: asBytes },
} as typeof generated; // grpc-js types an untyped service's methods by any message

/** `istio.mixer.v1.Mixer`. */
export function mixerApi(options: MixerServiceOptions): MixerService {
  return { definition, implementation: createMixerService(options) };
}

function createMixerService({ dispatcher, metrics, clock, logger }: MixerServiceOptions): UntypedServiceImplementation {
  const answer = <Q extends { readonly globalWordCount: number }, A>(
    method: string,
    decode: (bytes: Buffer) => Result<Q, string>,
    run: (request: Q) => A | Promise<A>,
  ) => {
    const counts = metrics.requests.of(method);
    return (call: ServerUnaryCall<Buffer, A>, callback: sendUnaryData<A>): void => {
      const started = clock.monotonic();
      const end = (code: status) => counts.observe(code, (clock.monotonic() - started) / 1000);
      const reply = (value: A) => {
        callback(null, value);
        end(status.OK);
      };
      const fail = (error: unknown) => {
        const unreadable = error instanceof MalformedMessage ? status.INVALID_ARGUMENT : status.INTERNAL;
        const code = error instanceof RequestError ? error.code : unreadable;
        if (code === status.INTERNAL) logger.error({ method }, errorText(error));
        callback({ code, details: errorText(error) });
        end(code);
      };
      try {
        const value = run(readable(decode(call.request)));
        if (value instanceof Promise) value.then(reply, fail);
        else reply(value);
      } catch (error) {
        fail(error);
      }
    };
  };
  const reported = create(ReportResponseSchema);
  return {
    Check: answer('Check', decodeCheckCall, (request) => check(dispatcher, request)),
    Report: answer('Report', openReportCall, ({ bags, count }): ReportResponse | Promise<ReportResponse> => {
      metrics.reportedBags.inc(count);
      const done = dispatcher.report(bags);
      return done instanceof Promise ? done.then(() => reported) : reported;
    }),
  };
}

function readable<Q extends { readonly globalWordCount: number }>(request: Result<Q, string>): Q {
  if (!request.ok) throw new RequestError(status.INVALID_ARGUMENT, request.error);
  const { globalWordCount } = request.value;
  if (globalWordCount <= globalDictionary.length) return request.value;
  throw new RequestError(
    status.INVALID_ARGUMENT,
    `global_word_count is ${globalWordCount}, but this Mixer's global dictionary has ${globalDictionary.length} words; send at most that`,
  );
}

function check(dispatcher: Dispatcher, request: CheckCall): CheckResponse | Promise<CheckResponse> {
  const generators = new ReferenceTracker();
  const preprocessed = dispatcher.preprocess(request.bag, generators);
  const go = ({ bag, failure }: Awaited<typeof preprocessed>) => {
    if (failure !== undefined) throw new RequestError(status.INTERNAL, `preprocessing attributes failed: ${failure}`);
    const tracker = new ReferenceTracker(generators);
    const outcome = dispatcher.check(bag, tracker);
    const finish = (result: CheckOutcome) => {
      // Whether to let pass what cannot be decided is the client's to say, and it has a setting for it.
      if (result.failure !== undefined) {
        const code = result.code === status.UNAVAILABLE ? status.UNAVAILABLE : status.INTERNAL;
        throw new RequestError(code, `performing check operation failed: ${result.failure}`);
      }
      return respond(dispatcher, request, bag, generators, result, tracker);
    };
    return outcome instanceof Promise ? outcome.then(finish) : finish(outcome);
  };
  return preprocessed instanceof Promise ? preprocessed.then(go) : go(preprocessed);
}

function respond(
  dispatcher: Dispatcher,
  request: CheckCall,
  bag: AttributeBag,
  generators: ReferenceTracker,
  outcome: CheckOutcome,
  tracker: ReferenceTracker,
): CheckResponse | Promise<CheckResponse> {
  const response = create(CheckResponseSchema, {
    precondition: {
      status: { code: outcome.code, message: outcome.message },
      validDuration: toDuration(outcome.validDurationMs),
      validUseCount: outcome.validUseCount,
      referencedAttributes: tracker.toMessage(request.globalWordCount),
      ...routeDirective(outcome),
    },
  });
  // Quota is not taken for what is refused anyway.
  if (outcome.code !== 0 || request.quotas.length === 0) return response;
  return takeQuotas(dispatcher, request, bag, generators).then((quotas) => Object.assign(response, { quotas }));
}

async function takeQuotas(
  dispatcher: Dispatcher,
  request: CheckCall,
  bag: AttributeBag,
  generators: ReferenceTracker,
): Promise<Record<string, CheckResponse_QuotaResult>> {
  const results = await Promise.all(
    request.quotas.map(async ({ name, amount, bestEffort }) => {
      const tracker = new ReferenceTracker(generators);
      const deduplicationId = request.deduplicationId === '' ? '' : `${request.deduplicationId}:${name}`;
      const grant = await dispatcher.quota(name, { amount: Number(amount), bestEffort, deduplicationId }, bag, tracker);
      const result = create(CheckResponse_QuotaResultSchema, {
        validDuration: toDuration(grant.validDurationMs),
        grantedAmount: BigInt(Math.floor(grant.amount)),
        referencedAttributes: tracker.toMessage(request.globalWordCount),
        status: { code: grant.code, message: grant.message },
      });
      return [name, result] as const;
    }),
  );
  return Object.fromEntries(results);
}

function routeDirective({ requestHeaders, responseHeaders, directResponse }: CheckOutcome) {
  if (requestHeaders.length === 0 && responseHeaders.length === 0 && directResponse === undefined) return {};
  const operations = (changes: readonly HeaderChange[]) =>
    changes.map(({ name, value, operation }) => ({ name, value, operation: HeaderOperation_Operation[operation] }));
  return {
    routeDirective: {
      requestHeaderOperations: operations(requestHeaders),
      responseHeaderOperations: operations(responseHeaders),
      ...(directResponse === undefined ? {} : { directResponseCode: directResponse.status, directResponseBody: directResponse.body }),
    },
  };
}

function toDuration(ms: number): Duration {
  const seconds = Math.floor(ms / 1000);
  return create(DurationSchema, { seconds: BigInt(seconds), nanos: Math.round((ms - seconds * 1000) * 1e6) });
}
