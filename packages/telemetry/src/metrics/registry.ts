import type { Counter, Gauge, Histogram, StatsScope } from '../stats.ts';
import { defaultBuckets, type HistogramData } from './histogram.ts';
import type { Label, StatSample } from './sample.ts';
import { emptyPart, metricPart, type NamePart, prometheusName, scopePart } from './tags.ts';

export interface StatsOptions {
  /** Series per labelled name; what comes beyond is counted in one series whose labels all say `overflow`. */
  readonly maxSeriesPerName?: number;
}

/** The root scope, with what admin and exposition need. */
export interface Stats extends StatsScope {
  /** Everything as plain data, sorted by name. */
  collect(): StatSample[];
  /** `/reset_counters`: counters and histograms start over. */
  resetCounters(): void;
}

type Kind = 'counter' | 'gauge' | 'histogram';

/** Values of all counters and gauges in one typed array: `add` is an array write. */
class Values {
  data = new Float64Array(1024);
  used = new Uint8Array(1024);
  #length = 0;
  allocate(): number {
    if (this.#length === this.data.length) {
      const data = new Float64Array(this.#length * 2);
      data.set(this.data);
      this.data = data;
      const used = new Uint8Array(this.#length * 2);
      used.set(this.used);
      this.used = used;
    }
    return this.#length++;
  }
}

/** Counter and gauge in one; `record` is there for `labelled`, whose handles can be any kind. */
class Cell implements Counter, Gauge, Histogram {
  readonly #values: Values;
  readonly #index: number;
  constructor(values: Values) {
    this.#values = values;
    this.#index = values.allocate();
  }
  add(n: number): void {
    const { data, used } = this.#values;
    data[this.#index] = (data[this.#index] ?? 0) + n;
    used[this.#index] = 1;
  }
  set(value: number): void {
    this.#values.data[this.#index] = value;
    this.#values.used[this.#index] = 1;
  }
  record(value: number): void {
    this.add(value);
  }
  reset(): void {
    this.#values.data[this.#index] = 0;
  }
  get value(): number {
    return this.#values.data[this.#index] ?? 0;
  }
  get used(): boolean {
    return this.#values.used[this.#index] === 1;
  }
}

class BucketCell implements Counter, Gauge, Histogram {
  readonly #bounds = defaultBuckets;
  readonly #counts = new Float64Array(defaultBuckets.length + 1);
  #sum = 0;
  #count = 0;
  record(value: number): void {
    let low = 0;
    let high = this.#bounds.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (value <= (this.#bounds[middle] ?? 0)) high = middle;
      else low = middle + 1;
    }
    this.#counts[low] = (this.#counts[low] ?? 0) + 1;
    this.#sum += value;
    this.#count++;
  }
  add(n: number): void {
    this.record(n);
  }
  set(value: number): void {
    this.record(value);
  }
  get value(): number {
    return this.#sum;
  }
  get used(): boolean {
    return this.#count > 0;
  }
  get data(): HistogramData {
    return { bounds: this.#bounds, counts: [...this.#counts], sum: this.#sum, count: this.#count };
  }
  reset(): void {
    this.#counts.fill(0);
    this.#sum = 0;
    this.#count = 0;
  }
}

interface Metric {
  readonly kind: Kind;
  readonly name: string;
  readonly prometheusName: string;
  readonly labels: readonly Label[];
  readonly cell: Cell | BucketCell;
}

class Registry {
  readonly metrics = new Map<string, Metric>();
  readonly #values = new Values();
  readonly #seriesCount = new Map<string, number>();
  readonly #maxSeries: number;
  constructor(maxSeries: number) {
    this.#maxSeries = maxSeries;
  }
  named(kind: Kind, scope: NamePart, name: string): Cell | BucketCell {
    // A name has one kind for good; the kind is part of the key so that a clash cannot hand out the wrong cell.
    const key = `${kind}:${scope.dotted}.${name}`;
    const known = this.metrics.get(key);
    if (known !== undefined) return known.cell;
    const part = metricPart(scope, name);
    return this.#add(key, { kind, name: part.dotted, prometheusName: prometheusName(part.stem), labels: part.labels });
  }
  labelled(kind: Kind, name: string, labels: Readonly<Record<string, string>>): Cell | BucketCell {
    const entries: Label[] = Object.entries(labels);
    const text = labelledName(name, entries);
    const known = this.metrics.get(`${kind}:${text}`);
    if (known !== undefined) return known.cell;
    const count = this.#seriesCount.get(name) ?? 0;
    if (count < this.#maxSeries) {
      this.#seriesCount.set(name, count + 1);
      return this.#add(`${kind}:${text}`, { kind, name: text, prometheusName: name, labels: entries });
    }
    const overflow: Label[] = entries.map(([label]) => [label, 'overflow']);
    const overflowName = labelledName(name, overflow);
    const cell = this.metrics.get(`${kind}:${overflowName}`)?.cell;
    return cell ?? this.#add(`${kind}:${overflowName}`, { kind, name: overflowName, prometheusName: name, labels: overflow });
  }
  #add(key: string, metric: Omit<Metric, 'cell'>): Cell | BucketCell {
    const cell = metric.kind === 'histogram' ? new BucketCell() : new Cell(this.#values);
    this.metrics.set(key, { ...metric, cell });
    return cell;
  }
}

function labelledName(name: string, labels: readonly Label[]): string {
  let text = `istiocustom.${name}`;
  for (const [label, value] of labels) text += `.${label}.${value}`;
  return text;
}

class Scope implements StatsScope {
  protected readonly registry: Registry;
  readonly #part: NamePart;
  constructor(registry: Registry, part: NamePart) {
    this.registry = registry;
    this.#part = part;
  }
  counter(name: string): Counter {
    return this.registry.named('counter', this.#part, name);
  }
  gauge(name: string): Gauge {
    return this.registry.named('gauge', this.#part, name);
  }
  histogram(name: string): Histogram {
    return this.registry.named('histogram', this.#part, name);
  }
  scope(prefix: string): StatsScope {
    return new Scope(this.registry, scopePart(this.#part, prefix));
  }
  labelled(kind: Kind, name: string, labels: Readonly<Record<string, string>>): Counter & Gauge & Histogram {
    return this.registry.labelled(kind, name, labels);
  }
}

class RootScope extends Scope implements Stats {
  collect(): StatSample[] {
    const samples: StatSample[] = [];
    for (const { kind, name, prometheusName: shown, labels, cell } of this.registry.metrics.values()) {
      const base = { name, prometheusName: shown, labels, used: cell.used };
      if (cell instanceof BucketCell) samples.push({ ...base, kind: 'histogram', data: cell.data });
      else samples.push({ ...base, kind: kind === 'gauge' ? 'gauge' : 'counter', value: cell.value });
    }
    return samples.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  }
  resetCounters(): void {
    for (const { kind, cell } of this.registry.metrics.values()) {
      if (kind !== 'gauge') cell.reset();
    }
  }
}

/** A new, empty set of metrics: one per process or worker. */
export function createStats(options: StatsOptions = {}): Stats {
  return new RootScope(new Registry(options.maxSeriesPerName ?? 10_000), emptyPart);
}
