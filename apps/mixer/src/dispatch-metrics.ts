import { Counter, Gauge, type MetricObjectWithValues, type MetricValueWithName, type Registry } from 'prom-client';

/** Upper bounds in seconds. */
const BOUNDS = [0.00001, 0.0001, 0.001, 0.01, 0.1, 1, 10];

type LabelName = 'adapter' | 'handler' | 'variety' | 'method' | 'le';

/** How long something took, counted in plain numbers: a request must not pay for labels. */
export class Durations {
  readonly #counts = new Float64Array(BOUNDS.length + 1);
  sum = 0;
  count = 0;

  observe(seconds: number): void {
    let slot = 0;
    while (slot < BOUNDS.length && seconds > (BOUNDS[slot] ?? 0)) slot++;
    this.#counts[slot] = (this.#counts[slot] ?? 0) + 1;
    this.sum += seconds;
    this.count++;
  }
  /** As prom-client's histograms give them. */
  samples(name: string, labels: Partial<Record<LabelName, string>>): MetricValueWithName<LabelName>[] {
    let below = 0;
    const buckets = BOUNDS.map((bound, i) => {
      below += this.#counts[i] ?? 0;
      return { metricName: `${name}_bucket`, labels: { le: bound, ...labels }, value: below };
    });
    return [
      ...buckets,
      { metricName: `${name}_bucket`, labels: { le: '+Inf', ...labels }, value: this.count },
      { metricName: `${name}_sum`, labels, value: this.sum },
      { metricName: `${name}_count`, labels, value: this.count },
    ];
  }
}

/** What one handler was called for. */
export class DispatchCounts {
  readonly labels: { readonly adapter: string; readonly handler: string; readonly variety: string };
  readonly #durations = new Durations();
  calls = 0;
  errors = 0;

  constructor(labels: DispatchCounts['labels']) {
    this.labels = labels;
  }
  observe(seconds: number): void {
    this.#durations.observe(seconds);
  }
  samples(name: string): MetricValueWithName<LabelName>[] {
    return this.#durations.samples(name, this.labels);
  }
}

/** A histogram whose numbers lie elsewhere. */
export class CollectedHistogram extends Gauge<LabelName> {
  readonly #name: string;
  readonly #help: string;
  readonly #samples: (name: string) => MetricValueWithName<LabelName>[];

  constructor(name: string, help: string, samples: (name: string) => MetricValueWithName<LabelName>[], registry: Registry) {
    super({ name, help, registers: [registry] });
    this.#name = name;
    this.#help = help;
    this.#samples = samples;
  }
  override async get(): Promise<MetricObjectWithValues<MetricValueWithName<LabelName>>> {
    const collected = { name: this.#name, help: this.#help, type: 'histogram', aggregator: 'sum', values: this.#samples(this.#name) };
    // prom-client declares an enum of types that does not exist, and a `collect` that nobody reads.
    return collected as unknown as MetricObjectWithValues<MetricValueWithName<LabelName>>;
  }
}

/** Calls of adapters by handler and variety; a handler that is replaced goes on counting. */
export class DispatchMetrics {
  readonly #all = new Map<string, DispatchCounts>();

  constructor(registry: Registry) {
    const all = this.#all;
    const labelNames = ['adapter', 'handler', 'variety'] as const;
    const counter = (name: string, help: string, value: (counts: DispatchCounts) => number) =>
      new Counter({
        name,
        help,
        labelNames,
        registers: [registry],
        collect() {
          this.reset();
          for (const counts of all.values()) this.inc(counts.labels, value(counts));
        },
      });
    counter('mixer_runtime_dispatches_total', 'Calls of adapters.', ({ calls }) => calls);
    counter('mixer_runtime_dispatch_errors_total', 'Calls of adapters that failed.', ({ errors }) => errors);
    const samples = (name: string) => [...all.values()].flatMap((counts) => counts.samples(name));
    new CollectedHistogram('mixer_runtime_dispatch_duration_seconds', 'Time in adapters.', samples, registry);
  }
  of(adapter: string, handler: string, variety: string): DispatchCounts {
    const key = `${adapter}\0${handler}\0${variety}`;
    let counts = this.#all.get(key);
    if (counts === undefined) {
      counts = new DispatchCounts({ adapter, handler, variety });
      this.#all.set(key, counts);
    }
    return counts;
  }
}
