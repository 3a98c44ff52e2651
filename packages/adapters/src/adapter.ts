import type { Clock, Logger, Result } from '@xebec/core';
import type { TypedValue } from '@xebec/expressions';
import type { MetricStore } from './prometheus/metric-store.ts';

/** What a template asks of an adapter. */
export type Variety = 'CHECK' | 'REPORT' | 'QUOTA';

/** An instance with its expressions evaluated: a field holds one value or, for maps, several by name. */
export interface InstanceValue {
  /** `name.namespace` of the instance object. */
  readonly name: string;
  readonly template: string;
  readonly fields: Readonly<Record<string, TypedValue | ReadonlyMap<string, TypedValue>>>;
}

/** What an adapter says to a Check. `code` is a google.rpc.Code, 0 lets pass. */
export interface CheckResult {
  readonly code: number;
  readonly message: string;
  readonly validDurationMs: number;
  readonly validUseCount: number;
}

export interface QuotaArguments {
  readonly amount: number;
  /** Grants what is left when it is less than asked. */
  readonly bestEffort: boolean;
  /** Same id, same grant. Empty: none. */
  readonly deduplicationId: string;
}

export interface QuotaGrant {
  readonly code: number;
  readonly message: string;
  readonly amount: number;
  readonly validDurationMs: number;
}

/** A configured adapter. It has the methods of its templates' varieties; none of them throws on what a request holds. */
export interface Handler {
  check?(instance: InstanceValue): CheckResult;
  report?(instances: readonly InstanceValue[]): void;
  quota?(instance: InstanceValue, args: QuotaArguments): QuotaGrant;
  close(): void;
}

/** The outside world of adapters, from the app. */
export interface AdapterEnvironment {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: MetricStore;
  /** Takes one line without its end. */
  readonly writeLine: (line: string) => void;
  /** The app's instances by short name or `name.namespace`, for params that refer to them. */
  readonly namespace: string;
}

export interface AdapterDefinition {
  /** `compiledAdapter` of handlers. */
  readonly name: string;
  readonly templates: readonly string[];
  /** Paths of violations start below `spec.params`. */
  configure(params: unknown, environment: AdapterEnvironment): Result<Handler>;
}
