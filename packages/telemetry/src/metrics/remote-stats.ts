import { readHistogram } from './cells.ts';
import type { HistogramData } from './histogram.ts';
import type { Label, StatKind } from './sample.ts';
import { assigned, type SharedValues, untouched } from './values.ts';

/** A metric of another thread: what it is, and where its value lies in that thread's memory. */
export interface StatDefinition {
  readonly key: string;
  readonly kind: StatKind;
  readonly name: string;
  readonly prometheusName: string;
  readonly labels: readonly Label[];
  readonly index: number;
}

/** What a thread tells of its metrics; plain data, sent whenever something was added. */
export interface StatsReport {
  readonly values: SharedValues | undefined;
  readonly definitions: readonly StatDefinition[];
  /** Keys of metrics that are gone; the same report may bring one anew. */
  readonly removed?: readonly string[];
}

/** One metric's numbers, read from a thread's memory. */
export interface RemoteValue {
  readonly definition: StatDefinition;
  readonly used: boolean;
  /** The last write was `set`: a level, not a sum. */
  readonly assigned: boolean;
  readonly value: number;
  readonly histogram: HistogramData | undefined;
}

/** The metrics of one other thread, read where they lie: collecting asks nobody and a busy or dead thread cannot delay it. */
export class RemoteStats {
  readonly #definitions = new Map<string, StatDefinition>();
  #data: Float64Array = new Float64Array(0);
  #state: Uint8Array = new Uint8Array(0);

  apply(report: StatsReport): void {
    for (const key of report.removed ?? []) this.#definitions.delete(key);
    for (const definition of report.definitions) this.#definitions.set(definition.key, definition);
    if (report.values === undefined) return;
    this.#data = new Float64Array(report.values.data);
    this.#state = new Uint8Array(report.values.state);
  }
  *values(): Iterable<RemoteValue> {
    for (const definition of this.#definitions.values()) {
      const { kind, index } = definition;
      const state = this.#state[index] ?? untouched;
      yield {
        definition,
        used: state !== untouched,
        assigned: state === assigned,
        value: this.#data[index] ?? 0,
        histogram: kind === 'histogram' ? readHistogram(this.#data, index) : undefined,
      };
    }
  }
}
