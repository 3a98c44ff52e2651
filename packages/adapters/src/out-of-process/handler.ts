import { create } from '@bufbuild/protobuf';
import { type Any, AnySchema } from '@bufbuild/protobuf/wkt';
import { status } from '@grpc/grpc-js';
import { err, errorText, invariant, ok, type Result } from '@xebec/core';
import type { TypedValue } from '@xebec/expressions';
import {
  type CheckResult,
  decodeOutputs,
  encodeInferredTypes,
  type Handler,
  InstanceEncoder,
  type InstanceValue,
  type QuotaArguments,
  type QuotaGrant,
  type RemoteAdapter,
  type RoutedInstance,
  remoteHandlerErrors,
  type TemplateService,
} from '@xebec/policy';
import type { HandlerSpec } from '@xebec/schemas';
import type { AdapterEnvironment } from '../adapter.ts';
import { Delivery, type DeliveryLimits, RefusedError } from '../delivery/delivery.ts';
import { wireName } from '../delivery/instance-fields.ts';
import { AdapterChannel } from './adapter-channel.ts';
import { AdapterSession, sessionConfig } from './adapter-session.ts';
import { CallFailure } from './call-failure.ts';
import { decodeCheckResult, decodeQuotaResult, encodeAny, encodeQuotaRequest, encodeRequest, splitCheckAnswer } from './messages.ts';

const LIMITS: Omit<DeliveryLimits, 'timeoutMs'> = {
  maxEntries: 10_000,
  maxBytes: 8 << 20,
  batchEntries: 500,
  batchBytes: 1 << 20,
  intervalMs: 100,
  giveUpMs: 30_000,
};

/** For calls that are under way when the handler is closed, and for the end of its session. */
const CLOSE_MS = 100;

/** Statuses after which the same report is refused again. */
const FINAL: ReadonlySet<number> = new Set([status.INVALID_ARGUMENT, status.UNIMPLEMENTED, status.OUT_OF_RANGE]);
/** Statuses by which an adapter may say that it does not know the session. */
const SESSION_LOST: ReadonlySet<number> = new Set([
  status.NOT_FOUND,
  status.FAILED_PRECONDITION,
  status.UNAUTHENTICATED,
  status.INVALID_ARGUMENT,
]);

interface Endpoint {
  readonly service: TemplateService;
  readonly encoder: InstanceEncoder;
}

/** Starts a handler whose adapter runs elsewhere. It connects with its first call: an adapter that is away is no error here. */
export function configureRemote(spec: HandlerSpec, adapter: RemoteAdapter, environment: AdapterEnvironment): Result<Handler> {
  const violations = remoteHandlerErrors(spec, adapter);
  const params = adapter.params.encode(spec.params);
  if (violations.length > 0 || !params.ok || spec.connection === undefined) return err([...violations]);
  const config = adapter.params.typeUrl === '' ? new Uint8Array() : encodeAny(adapter.params.typeUrl, params.value);
  const handler = new RemoteHandler(adapter, config, new AdapterChannel(spec.connection, environment), environment);
  // Dispatch takes methods off their handler.
  return ok({
    check: (instance) => handler.check(instance),
    quota: (instance, args) => handler.quota(instance, args),
    generate: (instance) => handler.generate(instance),
    report: (instances) => handler.report(instances),
    route: (instances) => handler.route(instances),
    close: () => handler.close(),
  });
}

class RemoteHandler implements Required<Handler> {
  readonly #endpoints: ReadonlyMap<string, Endpoint>;
  readonly #config: Uint8Array<ArrayBuffer>;
  readonly #channel: AdapterChannel;
  readonly #session: AdapterSession | undefined;
  readonly #environment: AdapterEnvironment;
  readonly #name: string;
  readonly #deliveries = new Map<string, Delivery<Uint8Array>>();
  /** Calls with different ids are different, also those of Mixers that were started at the same time. */
  readonly #idPrefix: string;
  #ids = 0;

  constructor(adapter: RemoteAdapter, config: Uint8Array<ArrayBuffer>, channel: AdapterChannel, environment: AdapterEnvironment) {
    this.#endpoints = new Map(
      [...adapter.services].map(([name, service]) => [name, { service, encoder: new InstanceEncoder(service.instance) }]),
    );
    this.#name = adapter.name;
    this.#config = config;
    this.#channel = channel;
    this.#environment = environment;
    this.#session = adapter.sessionBased ? new AdapterSession(channel, config, environment) : undefined;
    this.#idPrefix = Math.floor(environment.random.next() * 2 ** 48).toString(36);
  }

  async check(instance: InstanceValue): Promise<CheckResult> {
    const { service, encoder } = this.#endpoint(instance);
    const answer = await this.#call(service, [encoder.encode(wireName(instance), instance)], this.#nextId());
    return this.#read(service, () => {
      if (service.output === undefined) return decodeCheckResult(answer);
      const { result, output } = splitCheckAnswer(answer);
      return { ...decodeCheckResult(result), outputs: decodeOutputs(service.output, output) };
    });
  }
  async quota(instance: InstanceValue, args: QuotaArguments): Promise<QuotaGrant> {
    const { service, encoder } = this.#endpoint(instance);
    const name = wireName(instance);
    const id = args.deduplicationId === '' ? this.#nextId() : args.deduplicationId;
    const answer = await this.#call(service, [encoder.encode(name, instance)], id, encodeQuotaRequest(name, args));
    const grant = this.#read(service, () => decodeQuotaResult(name, answer));
    if (grant === undefined) throw new CallFailure(status.INTERNAL, `${this.#name} answered without the quota ${name}`);
    return grant;
  }
  async generate(instance: InstanceValue): Promise<Readonly<Record<string, TypedValue>>> {
    const { service, encoder } = this.#endpoint(instance);
    const answer = await this.#call(service, [encoder.encode(wireName(instance), instance)], this.#nextId());
    return this.#read(service, () => (service.output === undefined ? {} : decodeOutputs(service.output, answer)));
  }
  report(instances: readonly InstanceValue[]): void {
    for (const instance of instances) {
      const { service, encoder } = this.#endpoint(instance);
      const bytes = encoder.encode(wireName(instance), instance);
      this.#delivery(service).offer(bytes, bytes.length);
    }
  }
  route(instances: readonly RoutedInstance[]): void {
    const types = instances.map((instance): [string, Any] => {
      const { inferred, template } = instance;
      const type = this.#endpoints.get(template.name)?.service.inferred;
      const any = type === undefined ? {} : { typeUrl: `type.googleapis.com/${type.typeName}`, value: encodeInferredTypes(type, inferred) };
      return [wireName(instance), create(AnySchema, any)];
    });
    this.#session?.route(Object.fromEntries(types));
  }
  async close(): Promise<void> {
    await Promise.all([...this.#deliveries.values()].map((delivery) => delivery.close()));
    await this.#atMost(CLOSE_MS, this.#channel.drained());
    await this.#atMost(CLOSE_MS, this.#session?.close());
    this.#channel.close();
  }

  async #atMost(ms: number, done: Promise<void> | undefined): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#environment.clock.setTimeout(resolve, ms);
    await Promise.race([done, promise]);
    cancel();
  }
  #endpoint({ template }: InstanceValue): Endpoint {
    const endpoint = this.#endpoints.get(template);
    invariant(endpoint !== undefined, `adapter ${this.#name} takes template ${template}`);
    return endpoint;
  }
  #delivery(service: TemplateService): Delivery<Uint8Array> {
    const { name } = service.template;
    let delivery = this.#deliveries.get(name);
    if (delivery === undefined) {
      const { clock, random, logger, delivery: events } = this.#environment;
      /** A batch that is sent again keeps its id. */
      const ids = new WeakMap<readonly Uint8Array[], string>();
      delivery = new Delivery({
        destination: `adapter ${this.#name} at ${this.#channel.address}`,
        limits: { ...LIMITS, timeoutMs: this.#channel.timeoutMs + 500 },
        send: async (batch) => {
          const id = ids.get(batch) ?? this.#nextId();
          ids.set(batch, id);
          await this.#call(service, batch, id).catch((error: unknown) => {
            throw error instanceof CallFailure && FINAL.has(error.code) ? new RefusedError(error.message) : error;
          });
          return 0;
        },
        events,
        clock,
        random,
        logger,
      });
      this.#deliveries.set(name, delivery);
    }
    return delivery;
  }
  async #call(service: TemplateService, instances: readonly Uint8Array[], dedupId: string, quotaRequest?: Uint8Array): Promise<Buffer> {
    const session = this.#session;
    let id = '';
    const attempt = async (): Promise<Buffer> => {
      if (session !== undefined) id = await session.id();
      const adapterConfig = session === undefined ? this.#config : sessionConfig(id);
      const request = encodeRequest({ instances, adapterConfig, dedupId, ...(quotaRequest === undefined ? {} : { quotaRequest }) });
      return await this.#channel.call(service.path, request);
    };
    try {
      return await attempt();
    } catch (error) {
      // Without an id there was no call.
      if (session === undefined || id === '' || !(error instanceof CallFailure) || !SESSION_LOST.has(error.code)) throw error;
      if (!(await session.forget(id))) throw error;
      return await attempt();
    }
  }
  #read<T>(service: TemplateService, decode: () => T): T {
    try {
      return decode();
    } catch (error) {
      throw new CallFailure(status.INTERNAL, `${this.#name} answered ${service.path} with what is no answer: ${errorText(error)}`);
    }
  }
  #nextId(): string {
    return `${this.#idPrefix}-${this.#ids++}`;
  }
}
