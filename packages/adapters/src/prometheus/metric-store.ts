import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

export interface MetricDefinition {
  readonly name: string;
  readonly help: string;
  readonly kind: 'COUNTER' | 'GAUGE' | 'DISTRIBUTION';
  readonly labelNames: readonly string[];
  /** Upper bounds; of distributions alone. */
  readonly buckets: readonly number[];
}

export type Recorder = (labels: Record<string, string>, value: number) => void;

interface Entry {
  readonly signature: string;
  readonly record: Recorder;
  users: number;
}

/** Most label combinations of one metric: what a request holds must not decide how much memory Mixer takes. */
const MAX_SERIES = 20_000;

/**
 * Metrics that handlers share. A metric stays until `sweep` finds that no handler has it, so counters go on counting when a
 * handler is replaced; one name has one definition.
 */
export class MetricStore {
  readonly #registry: Registry;
  readonly #entries = new Map<string, Entry>();
  readonly #onDropped: (metric: string) => void;

  /** `onDropped` hears of each value that would have made one series too many. */
  constructor(registry: Registry, onDropped: (metric: string) => void = () => undefined) {
    this.#registry = registry;
    this.#onDropped = onDropped;
  }
  /** Undefined when the name is in use with another definition. */
  acquire(definition: MetricDefinition): { readonly record: Recorder; release(): void } | undefined {
    const { name } = definition;
    const signature = JSON.stringify([definition.kind, definition.labelNames, definition.buckets]);
    let known = this.#entries.get(name);
    if (known !== undefined && known.signature !== signature) {
      if (known.users > 0) return undefined;
      this.#remove(name);
      known = undefined;
    }
    const entry = known ?? { signature, record: this.#bounded(name, this.#create(definition)), users: 0 };
    entry.users++;
    this.#entries.set(name, entry);
    return {
      record: entry.record,
      release: () => {
        entry.users--;
      },
    };
  }
  /** Drops the metrics that no handler has any more: to be called when all handlers of a configuration have been made. */
  sweep(): void {
    for (const [name, { users }] of this.#entries) if (users === 0) this.#remove(name);
  }

  #remove(name: string): void {
    this.#entries.delete(name);
    this.#registry.removeSingleMetric(name);
  }

  #bounded(name: string, record: Recorder): Recorder {
    const series = new Set<string>();
    return (labels, value) => {
      const key = JSON.stringify(labels);
      if (!series.has(key)) {
        if (series.size >= MAX_SERIES) return this.#onDropped(name);
        series.add(key);
      }
      record(labels, value);
    };
  }
  #create({ name, help, kind, labelNames, buckets }: MetricDefinition): Recorder {
    const base = { name, help, labelNames: [...labelNames], registers: [this.#registry] };
    if (kind === 'GAUGE') {
      const gauge = new Gauge(base);
      return (labels, value) => gauge.set(labels, value);
    }
    if (kind === 'DISTRIBUTION') {
      const histogram = new Histogram({ ...base, buckets: [...buckets] });
      return (labels, value) => histogram.observe(labels, value);
    }
    const counter = new Counter(base);
    return (labels, value) => counter.inc(labels, value);
  }
}
