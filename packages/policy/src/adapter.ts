import type { Violation } from '@xebec/core';
import type { TypedValue } from '@xebec/expressions';
import type { InferredTypes } from './out-of-process/inferred-types.ts';

/** What a template asks of an adapter. Attribute generators run first: what they find out, rules and other instances may read. */
export type Variety = 'CHECK' | 'REPORT' | 'QUOTA' | 'ATTRIBUTE_GENERATOR';

/** A field holds one value or, for maps, several by name. */
export type FieldValue = TypedValue | ReadonlyMap<string, TypedValue>;

/** An instance with its expressions evaluated. */
export interface InstanceValue {
  /** `name.namespace` of the instance object. */
  readonly name: string;
  /** Of that object: `instance`, unless it is of an older kind. */
  readonly kind?: string;
  readonly template: string;
  /** Empty where there is a `message`. */
  readonly fields: Readonly<Record<string, FieldValue>>;
  /** Of templates that Mixer was not built with: the encoded `InstanceMsg` without its name. */
  readonly message?: Uint8Array;
}

/** An instance that rules send to a handler. */
export interface RoutedInstance {
  readonly name: string;
  readonly kind?: string;
  readonly template: { readonly name: string };
  readonly inferred: InferredTypes;
}

/** What an adapter says to a Check. */
export interface CheckResult {
  /** google.rpc.Code; 0 lets pass. */
  readonly code: number;
  readonly message: string;
  /** Milliseconds for which clients may use the answer again. */
  readonly validDurationMs: number;
  /** Times that they may; negative: unlimited. */
  readonly validUseCount: number;
  /** Instead of the status that `code` stands for: what the client answers its caller with. */
  readonly directResponse?: { readonly status: number; readonly body: string; readonly headers?: Readonly<Record<string, string>> };
  /** Read by header operations of rules as `<action name>.output.<key>`; their declared types are the template's outputs. */
  readonly outputs?: Readonly<Record<string, TypedValue>>;
}

export interface QuotaArguments {
  /** Whole number of units. */
  readonly amount: number;
  /** Grants what is left when it is less than asked. */
  readonly bestEffort: boolean;
  /** Same id, same grant. Empty: none. */
  readonly deduplicationId: string;
}

export interface QuotaGrant {
  /** google.rpc.Code. */
  readonly code: number;
  readonly message: string;
  readonly amount: number;
  readonly validDurationMs: number;
}

/**
 * A configured adapter. It has the methods of its templates' varieties. What a request holds must not make them throw; one that
 * waits for somebody answers by promise, keeps a time limit of its own and rejects when that is over. Dispatch counts a throw or
 * a rejection as INTERNAL and goes on with other handlers.
 */
export interface Handler {
  check?(instance: InstanceValue): CheckResult | Promise<CheckResult>;
  quota?(instance: InstanceValue, args: QuotaArguments): QuotaGrant | Promise<QuotaGrant>;
  /** Takes what it is given at once; queues towards others are bounded, and what does not fit is counted and dropped. */
  report?(instances: readonly InstanceValue[]): void;
  /** Values by the template's output names; what is not known is left out. */
  generate?(instance: InstanceValue): Readonly<Record<string, TypedValue>> | Promise<Readonly<Record<string, TypedValue>>>;
  /** Told after each compilation which instances will come, none when no rule has the handler. */
  route?(instances: readonly RoutedInstance[]): void;
  /** Sends what waits, within a second, and gives up sockets and timers. */
  close(): void | Promise<void>;
}

/** What compiling and validating need to know of an adapter; no part of it does I/O. */
export interface AdapterSignature {
  /** `compiledAdapter` of handlers. */
  readonly name: string;
  /** Other names that release 1.4's configuration may use. */
  readonly aliases?: readonly string[];
  readonly templates: readonly string[];
  /** What is wrong with a handler's params; paths start with `spec.params`. */
  check(params: unknown): readonly Violation[];
}
