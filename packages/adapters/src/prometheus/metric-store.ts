import type { Registry } from 'prom-client';
import { type Dimensions, LabelSets, type Series } from './label-sets.ts';
import { SeriesMetric } from './series-metric.ts';

export interface MetricDefinition {
  readonly name: string;
  readonly help: string;
  readonly kind: 'COUNTER' | 'GAUGE' | 'DISTRIBUTION';
  readonly labelNames: readonly string[];
  /** Upper bounds, ascending; of distributions alone. */
  readonly buckets: readonly number[];
}

/** Takes a finite value, from 0 but for gauges, for the labels that the dimensions give; labels that they do not give are empty. */
export type Recorder = (dimensions: Dimensions | undefined, value: number) => void;

/** What one handler has of a metric. */
export interface MetricLease {
  readonly record: Recorder;
  /**
   * Drops the series that nothing was added to since `before`, and takes `now` for the time of what is added until it is called again:
   * adding does not ask for the time. The first call makes all series as young as `now`. Both in milliseconds of one clock.
   */
  expire(now: number, before: number): void;
  release(): void;
}

interface Metric {
  readonly record: Recorder;
  expire(now: number, before: number): void;
  remove(): void;
}

interface Entry extends Metric {
  readonly signature: string;
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
  /** By label names. */
  readonly #labelSets = new Map<string, LabelSets>();
  readonly #onDropped: (metric: string) => void;

  /** `onDropped` hears of each value that would have made one series too many. */
  constructor(registry: Registry, onDropped: (metric: string) => void = () => undefined) {
    this.#registry = registry;
    this.#onDropped = onDropped;
  }
  /** Undefined when the name is in use with another definition. */
  acquire(definition: MetricDefinition): MetricLease | undefined {
    const { name } = definition;
    const signature = JSON.stringify([definition.kind, definition.labelNames, definition.buckets]);
    let known = this.#entries.get(name);
    if (known !== undefined && known.signature !== signature) {
      if (known.users > 0) return undefined;
      this.#remove(name);
      known = undefined;
    }
    const entry = known ?? { signature, ...this.#create(definition), users: 0 };
    entry.users++;
    this.#entries.set(name, entry);
    return {
      record: entry.record,
      expire: entry.expire,
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
    this.#entries.get(name)?.remove();
    this.#entries.delete(name);
    this.#registry.removeSingleMetric(name);
  }
  #create(definition: MetricDefinition): Metric {
    const { name, kind, labelNames, buckets } = definition;
    const key = labelNames.join(',');
    const sets = this.#labelSets.get(key) ?? new LabelSets(labelNames);
    this.#labelSets.set(key, sets);
    const index = sets.add();
    new SeriesMetric(definition, sets, index, this.#registry);
    let count = 0;
    let looked: number | undefined;
    const create = (dimensions: Dimensions | undefined): Series | undefined => {
      if (count >= MAX_SERIES) return undefined;
      count++;
      const counts = kind === 'DISTRIBUTION' ? new Float64Array(buckets.length + 1) : undefined;
      const series: Series = { value: 0, counts, count: 0, sum: 0, last: looked ?? 0 };
      (sets.find(dimensions) ?? sets.create(dimensions)).series[index] = series;
      return series;
    };
    const record: Recorder = (dimensions, value) => {
      if (value < 0 && kind !== 'GAUGE') return;
      const series = sets.find(dimensions)?.series[index] ?? create(dimensions);
      if (series === undefined) {
        this.#onDropped(name);
        return;
      }
      if (looked !== undefined) series.last = looked;
      if (kind === 'GAUGE') series.value = value;
      else if (series.counts === undefined) series.value += value;
      else {
        let slot = 0;
        while (slot < buckets.length && value > (buckets[slot] ?? 0)) slot++;
        series.counts[slot] = (series.counts[slot] ?? 0) + 1;
        series.count++;
        series.sum += value;
      }
    };
    const expire = (now: number, before: number): void => {
      const first = looked === undefined;
      looked = now;
      if (first) for (const { series } of sets.all()) touch(series[index], now);
      else count -= sets.drop(index, ({ last }) => last < before);
    };
    const remove = () => {
      sets.remove(index);
      if (sets.unused) this.#labelSets.delete(key);
    };
    return { record, expire, remove };
  }
}

function touch(series: Series | undefined, now: number): void {
  if (series !== undefined) series.last = now;
}
