import { type Clock, errorText, type Logger } from '@xebec/core';
import type { TypedValue } from '@xebec/expressions';
import type { DeliveryEvents } from '../adapter.ts';
import { RefusedError } from '../delivery/delivery.ts';
import type { Exporter } from './exporter.ts';
import { MetricPoints } from './metric-points.ts';
import type { MetricDefinition } from './params.ts';

export interface MetricExportOptions {
  /** By `name.namespace` of the instance. */
  readonly definitions: ReadonlyMap<string, MetricDefinition>;
  readonly intervalMs: number;
  readonly exporter: Exporter;
  readonly destination: string;
  readonly events: DeliveryEvents;
  readonly clock: Clock;
  readonly logger: Logger;
}

const TIMEOUT_MS = 10_000;
const CLOSE_MS = 800;

/**
 * Sends all series each interval in which something was recorded. They are cumulative: what one export does not bring, the next
 * does, so that nothing is lost while the collector is away, and nothing more is kept.
 */
export class MetricExport {
  readonly #options: MetricExportOptions;
  readonly #points: ReadonlyMap<string, MetricPoints>;
  /** Values that no export has brought yet. */
  #unsent = 0;
  #cancelTimer: (() => void) | undefined;
  #exporting: Promise<void> | undefined;
  #failing = false;
  #closed = false;

  constructor(options: MetricExportOptions) {
    this.#options = options;
    const startNs = nowNs(options.clock);
    this.#points = new Map([...options.definitions].map(([instance, definition]) => [instance, new MetricPoints(definition, startNs)]));
  }
  /** Counts a value of an instance; others than those of the definitions are not exported. */
  record(instance: string, value: TypedValue, dimensions: ReadonlyMap<string, TypedValue>): void {
    const points = this.#points.get(instance);
    if (points === undefined || this.#closed || !points.record(value, dimensions)) return;
    this.#unsent++;
    this.#schedule();
  }
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelTimer?.();
    await this.#exporting;
    if (this.#unsent > 0) await this.#export(CLOSE_MS);
    if (this.#unsent > 0) this.#options.events.dropped(this.#unsent);
  }

  #schedule(): void {
    if (this.#closed || this.#exporting !== undefined) return;
    this.#cancelTimer ??= this.#options.clock.setTimeout(() => {
      this.#cancelTimer = undefined;
      this.#exporting = this.#export(TIMEOUT_MS).finally(() => {
        this.#exporting = undefined;
        if (this.#unsent > 0) this.#schedule();
      });
    }, this.#options.intervalMs);
  }
  async #export(timeoutMs: number): Promise<void> {
    const { clock, exporter, events, logger, destination } = this.#options;
    const values = this.#unsent;
    const metrics = [...this.#points.values()].flatMap((points) => points.collect(nowNs(clock)) ?? []);
    const abort = new AbortController();
    const { promise: over, reject } = Promise.withResolvers<never>();
    const cancel = clock.setTimeout(() => {
      abort.abort();
      reject(new Error(`no answer within ${timeoutMs} ms`));
    }, timeoutMs);
    try {
      const refused = await Promise.race([exporter.metrics(metrics, abort.signal), over]);
      if (this.#failing) logger.info({ destination }, `${destination} takes metrics again`);
      this.#failing = false;
      this.#unsent -= values;
      const lost = Math.min(refused, values);
      if (values > lost) events.delivered(values - lost);
      if (lost > 0) events.dropped(lost);
    } catch (error) {
      if (error instanceof RefusedError) {
        this.#unsent -= values;
        events.dropped(values);
      }
      if (!this.#failing) logger.warn({ destination }, `${destination}: metrics: ${errorText(error)}`);
      this.#failing = true;
    } finally {
      cancel();
    }
  }
}

function nowNs(clock: Clock): bigint {
  return BigInt(Math.floor(clock.now())) * 1_000_000n;
}
