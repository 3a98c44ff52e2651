import type { Counter, Gauge, Histogram, StatsScope, TextReadout } from '../stats.ts';
import { BucketCell, Cell } from './cells.ts';
import { mergeHistograms } from './histogram.ts';
import type { RemoteStats, RemoteValue, StatDefinition, StatsReport } from './remote-stats.ts';
import type { Label, StatKind, StatSample } from './sample.ts';
import { emptyPart, metricPart, type NamePart, prometheusName, scopePart } from './tags.ts';
import { type SharedValues, Values } from './values.ts';

export interface StatsOptions {
  /** Series per labelled name; what comes beyond is counted in one series whose labels all say `overflow`. */
  readonly maxSeriesPerName?: number;
  /** For a worker: its metrics lie in shared memory, and another thread hears of what is added (once per turn of the event loop). */
  readonly publish?: (report: StatsReport) => void;
  /** Whole names that are not published: another thread counts them. */
  readonly unpublished?: (name: string) => boolean;
}

/** The root scope, with what admin and exposition need. */
export interface Stats extends StatsScope {
  /** Everything as plain data, sorted by name, with what attached threads count. */
  collect(): StatSample[];
  /** Counts what another thread counts too. */
  attach(remote: RemoteStats): void;
  /** That thread is gone: what it counted stays counted, what it held at the moment (gauges) does not. */
  detach(remote: RemoteStats): void;
  /**
   * Forgets labelled counters and histograms that begin with `prefix` and have not moved since the last call. Their handles are dead:
   * `generation` counts up.
   */
  evictIdle(prefix: string): void;
  /** `/reset_counters`: counters start over, gauges and histograms do not. */
  resetCounters(): void;
}

const defaultMaxSeries = 10_000;

interface Metric {
  readonly kind: StatKind;
  readonly name: string;
  readonly prometheusName: string;
  readonly labels: readonly Label[];
  readonly cell: Cell | BucketCell;
}

/** A metric of a scope. Thousands of clusters have the same metrics, so names and labels are made when somebody looks. */
class ScopedMetric implements Metric {
  readonly kind: StatKind;
  readonly cell: Cell | BucketCell;
  readonly #scope: NamePart;
  readonly #end: string;
  constructor(kind: StatKind, scope: NamePart, end: string, cell: Cell | BucketCell) {
    this.kind = kind;
    this.cell = cell;
    this.#scope = scope;
    this.#end = end;
  }
  get name(): string {
    return this.#scope.dotted === '' ? this.#end : `${this.#scope.dotted}.${this.#end}`;
  }
  get prometheusName(): string {
    return prometheusName(metricPart(this.#scope, this.#end).stem);
  }
  get labels(): readonly Label[] {
    return metricPart(this.#scope, this.#end).labels;
  }
}

class Text implements TextReadout {
  readonly part: NamePart;
  text: string | undefined = undefined;
  constructor(part: NamePart) {
    this.part = part;
  }
  set(text: string): void {
    this.text = text;
  }
}

class Registry {
  readonly metrics = new Map<string, Metric>();
  readonly texts = new Map<string, Text>();
  readonly remotes = new Set<RemoteStats>();
  readonly #values: Values;
  readonly #options: StatsOptions;
  readonly #seriesCount = new Map<string, number>();
  /** What evictions go by: each labelled metric's activity when they last looked. */
  readonly #labelled = new Map<string, { readonly name: string; activity: number }>();
  generation = 0;
  #removed: string[] = [];
  #added: StatDefinition[] = [];
  #grown: SharedValues | undefined;
  #reporting = false;
  constructor(options: StatsOptions) {
    this.#options = options;
    this.#values = new Values(
      options.publish === undefined
        ? undefined
        : (shared) => {
            this.#grown = shared;
            this.#report();
          },
    );
  }
  named(kind: StatKind, scope: NamePart, name: string): Cell | BucketCell {
    // A name has one kind for good; the kind is part of the key so that a clash cannot hand out the wrong cell.
    const key = scope.dotted === '' ? `${kind}:${name}` : `${kind}:${scope.dotted}.${name}`;
    const known = this.metrics.get(key);
    if (known !== undefined) return known.cell;
    return this.#add(key, new ScopedMetric(kind, scope, name, this.#cell(kind)));
  }
  text(scope: NamePart, name: string): Text {
    const part = metricPart(scope, name);
    const text = this.texts.get(part.dotted) ?? new Text(part);
    this.texts.set(part.dotted, text);
    return text;
  }
  labelled(kind: StatKind, name: string, labels: Readonly<Record<string, string>>): Cell | BucketCell {
    const entries: Label[] = Object.entries(labels);
    const text = labelledName(name, entries);
    const known = this.metrics.get(`${kind}:${text}`);
    if (known !== undefined) return known.cell;
    const count = this.#seriesCount.get(name) ?? 0;
    if (count < (this.#options.maxSeriesPerName ?? defaultMaxSeries)) {
      this.#seriesCount.set(name, count + 1);
      if (kind !== 'gauge') this.#labelled.set(`${kind}:${text}`, { name, activity: -1 });
      return this.#add(`${kind}:${text}`, { kind, name: text, prometheusName: name, labels: entries, cell: this.#cell(kind) });
    }
    const overflow: Label[] = entries.map(([label]) => [label, 'overflow']);
    const overflowName = labelledName(name, overflow);
    const cell = this.metrics.get(`${kind}:${overflowName}`)?.cell;
    if (cell !== undefined) return cell;
    return this.#add(`${kind}:${overflowName}`, {
      kind,
      name: overflowName,
      prometheusName: name,
      labels: overflow,
      cell: this.#cell(kind),
    });
  }
  takeOver({ definition, value, histogram }: RemoteValue): void {
    const { key, kind, name, prometheusName: shown, labels } = definition;
    const cell = this.metrics.get(key)?.cell ?? this.#add(key, { kind, name, prometheusName: shown, labels, cell: this.#cell(kind) });
    if (histogram === undefined) cell.add(value);
    else if (cell instanceof BucketCell) cell.merge(histogram);
  }
  evictIdle(prefix: string): void {
    const before = this.#removed.length;
    for (const [key, known] of this.#labelled) {
      if (!known.name.startsWith(prefix)) continue;
      const cell = this.metrics.get(key)?.cell;
      if (cell !== undefined && cell.activity !== known.activity) {
        known.activity = cell.activity;
        continue;
      }
      cell?.release();
      this.metrics.delete(key);
      this.#labelled.delete(key);
      this.#seriesCount.set(known.name, (this.#seriesCount.get(known.name) ?? 1) - 1);
      this.#removed.push(key);
    }
    if (this.#removed.length === before) return;
    this.generation++;
    if (this.#options.publish === undefined) {
      this.#removed = [];
      return;
    }
    const gone = new Set(this.#removed);
    this.#added = this.#added.filter(({ key }) => !gone.has(key));
    this.#report();
  }
  #cell(kind: StatKind): Cell | BucketCell {
    return kind === 'histogram' ? new BucketCell(this.#values) : new Cell(this.#values);
  }
  #add(key: string, metric: Metric): Cell | BucketCell {
    const { cell } = metric;
    this.metrics.set(key, metric);
    if (this.#options.publish !== undefined && this.#options.unpublished?.(metric.name) !== true) {
      const { kind, name, prometheusName: shown, labels } = metric;
      this.#added.push({ key, kind, name, prometheusName: shown, labels, index: cell.index });
      this.#report();
    }
    return cell;
  }
  #report(): void {
    if (this.#reporting) return;
    this.#reporting = true;
    queueMicrotask(() => {
      this.#reporting = false;
      const removed = this.#removed.length === 0 ? {} : { removed: this.#removed };
      const report = { values: this.#grown, definitions: this.#added, ...removed };
      this.#grown = undefined;
      this.#added = [];
      this.#removed = [];
      this.#options.publish?.(report);
    });
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
  textReadout(name: string): TextReadout {
    return this.registry.text(this.#part, name);
  }
  scope(prefix: string): StatsScope {
    return new Scope(this.registry, scopePart(this.#part, prefix));
  }
  labelled(kind: StatKind, name: string, labels: Readonly<Record<string, string>>): Counter & Gauge & Histogram {
    return this.registry.labelled(kind, name, labels);
  }
  get generation(): number {
    return this.registry.generation;
  }
}

class RootScope extends Scope implements Stats {
  collect(): StatSample[] {
    const samples = new Map<string, StatSample>();
    for (const [key, { kind, name, prometheusName: shown, labels, cell }] of this.registry.metrics) {
      const base = { name, prometheusName: shown, labels, used: cell.used };
      if (cell instanceof BucketCell) samples.set(key, { ...base, kind: 'histogram', data: cell.data });
      else samples.set(key, { ...base, kind: kind === 'gauge' ? 'gauge' : 'counter', value: cell.value });
    }
    for (const remote of this.registry.remotes) {
      for (const value of remote.values()) {
        const { key } = value.definition;
        const before = samples.get(key);
        samples.set(key, before === undefined ? sampleOf(value) : this.#merge(before, value));
      }
    }
    for (const { part, text = '' } of this.registry.texts.values()) {
      const { dotted: name, stem, labels } = part;
      samples.set(`text:${name}`, { name, prometheusName: prometheusName(stem), labels, used: text !== '', kind: 'text', text });
    }
    return [...samples.values()].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  }
  attach(remote: RemoteStats): void {
    this.registry.remotes.add(remote);
  }
  detach(remote: RemoteStats): void {
    if (!this.registry.remotes.delete(remote)) return;
    for (const value of remote.values()) if (value.used && value.definition.kind !== 'gauge') this.registry.takeOver(value);
  }
  #merge(sample: StatSample, remote: RemoteValue): StatSample {
    if (sample.kind === 'text') return sample;
    const used = sample.used || remote.used;
    if (sample.kind === 'histogram') {
      return remote.histogram === undefined ? sample : { ...sample, used, data: mergeHistograms(sample.data, remote.histogram) };
    }
    if (sample.kind === 'gauge') {
      const own = this.registry.metrics.get(remote.definition.key)?.cell;
      // A level that this thread sets is what it says; threads that each set it (a limit is reached) do not add up to one.
      if (own instanceof Cell && own.assigned) return sample;
      if (remote.assigned) return { ...sample, used, value: Math.max(sample.value, remote.value) };
    }
    return { ...sample, used, value: sample.value + remote.value };
  }
  evictIdle(prefix: string): void {
    this.registry.evictIdle(prefix);
  }
  resetCounters(): void {
    for (const { kind, cell } of this.registry.metrics.values()) if (kind === 'counter' && cell instanceof Cell) cell.reset();
  }
}

function sampleOf({ definition, used, value, histogram }: RemoteValue): StatSample {
  const { kind, name, prometheusName: shown, labels } = definition;
  const base = { name, prometheusName: shown, labels, used };
  return histogram === undefined
    ? { ...base, kind: kind === 'gauge' ? 'gauge' : 'counter', value }
    : { ...base, kind: 'histogram', data: histogram };
}

/** A new, empty set of metrics: one per thread. */
export function createStats(options: StatsOptions = {}): Stats {
  return new RootScope(new Registry(options), emptyPart);
}
