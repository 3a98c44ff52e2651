import { Gauge, type MetricObjectWithValues, type MetricValueWithName, type Registry } from 'prom-client';
import type { LabelSets } from './label-sets.ts';
import type { MetricDefinition } from './metric-store.ts';

const TYPES = { COUNTER: 'counter', GAUGE: 'gauge', DISTRIBUTION: 'histogram' } as const;

type Sample = MetricValueWithName<string> & { readonly sharedLabels?: object };
type Collected = MetricObjectWithValues<MetricValueWithName<string>>;

/** Shows the series that one metric has in its label sets as a metric of a registry; nothing of it is computed before somebody scrapes. */
export class SeriesMetric extends Gauge {
  readonly #definition: MetricDefinition;
  readonly #sets: LabelSets;
  readonly #index: number;

  constructor(definition: MetricDefinition, sets: LabelSets, index: number, registry: Registry) {
    super({ name: definition.name, help: definition.help, registers: [registry] });
    this.#definition = definition;
    this.#sets = sets;
    this.#index = index;
  }
  override async get(): Promise<Collected> {
    return this.#collect(({ sharedLabels, labels, ...sample }) => ({ ...sample, labels: { ...labels, ...sharedLabels } }));
  }
  /** prom-client's registry asks for this first; it makes the text of shared labels once for each labels object. */
  async getForPromString(): Promise<Collected> {
    return this.#collect((sample) => sample);
  }

  #collect(finish: (sample: Sample) => Sample): Collected {
    const { name, help, kind, buckets } = this.#definition;
    const values: Sample[] = [];
    for (const { labels: sharedLabels, series } of this.#sets.all()) {
      const own = series[this.#index];
      if (own === undefined) continue;
      const { value, counts, count, sum } = own;
      if (counts === undefined) {
        values.push(finish({ metricName: name, labels: {}, sharedLabels, value }));
        continue;
      }
      let below = 0;
      for (const [i, bound] of buckets.entries()) {
        below += counts[i] ?? 0;
        values.push(finish({ metricName: `${name}_bucket`, labels: { le: bound }, sharedLabels, value: below }));
      }
      values.push(finish({ metricName: `${name}_bucket`, labels: { le: '+Inf' }, sharedLabels, value: count }));
      values.push(finish({ metricName: `${name}_sum`, labels: {}, sharedLabels, value: sum }));
      values.push(finish({ metricName: `${name}_count`, labels: {}, sharedLabels, value: count }));
    }
    // prom-client declares an enum of types that does not exist, and a `collect` that nobody reads.
    return { name, help, type: TYPES[kind], aggregator: 'sum', values } as unknown as Collected;
  }
}
