import { create } from '@bufbuild/protobuf';
import { numericValue, type TypedValue } from '@xebec/expressions';
import { AggregationTemporality, type Metric, MetricSchema } from '@xebec/protos/opentelemetry/proto/metrics/v1/metrics';
import type { MetricDefinition } from './params.ts';
import { type Attribute, attributesOf } from './values.ts';

/** The limit of OpenTelemetry's SDKs: what is more goes into one series that says so. */
const MAX_SERIES = 2_000;
const OVERFLOW: Attribute[] = [{ key: 'otel.metric.overflow', value: { value: { case: 'boolValue', value: true } } }];

/** Bounds of OpenTelemetry's SDKs, and what its conventions advise for seconds. */
const DEFAULT_BOUNDS = [0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10_000];
const SECONDS_BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

interface Series {
  readonly attributes: Attribute[];
  value: number;
  count: number;
  min: number;
  max: number;
  readonly buckets: number[];
}

/** The series of one metric, cumulative since the handler began. */
export class MetricPoints {
  readonly #definition: MetricDefinition;
  readonly #startNs: bigint;
  readonly #series = new Map<string, Series>();
  #whole = true;
  #unit: string | undefined;

  constructor(definition: MetricDefinition, startNs: bigint) {
    this.#definition = definition;
    this.#startNs = startNs;
  }
  /** Adds a value; durations count in seconds. False when it is no number, or a negative one of a counter. */
  record(typed: TypedValue, dimensions: ReadonlyMap<string, TypedValue>): boolean {
    const { kind } = this.#definition;
    const number = numericValue(typed);
    if (number === undefined || !Number.isFinite(number) || (kind === 'COUNTER' && number < 0)) return false;
    this.#unit ??= this.#definition.unit ?? (typed.type === 'DURATION' ? 's' : '');
    if (!Number.isInteger(number) || typed.type !== 'INT64') this.#whole = false;
    const series = this.#seriesOf(dimensions);
    series.count++;
    if (kind === 'GAUGE') series.value = number;
    else series.value += number;
    if (kind === 'DISTRIBUTION') {
      const bounds = this.#bounds();
      const at = bounds.findIndex((bound) => number <= bound);
      const bucket = at === -1 ? bounds.length : at;
      series.buckets[bucket] = (series.buckets[bucket] ?? 0) + 1;
      series.min = Math.min(series.min, number);
      series.max = Math.max(series.max, number);
    }
    return true;
  }
  /** The metric as it is now; undefined when nothing was recorded. */
  collect(nowNs: bigint): Metric | undefined {
    if (this.#series.size === 0) return undefined;
    const { name, description, kind } = this.#definition;
    return create(MetricSchema, { name, description, unit: this.#unit ?? '', data: this.#data(kind, nowNs) });
  }

  #bounds(): readonly number[] {
    return this.#definition.bounds ?? (this.#unit === 's' ? SECONDS_BOUNDS : DEFAULT_BOUNDS);
  }
  #seriesOf(dimensions: ReadonlyMap<string, TypedValue>): Series {
    const attributes = attributesOf(dimensions).sort((a, b) => ((a.key ?? '') < (b.key ?? '') ? -1 : 1));
    const key = JSON.stringify(attributes, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
    const known = this.#series.get(key);
    if (known !== undefined) return known;
    if (this.#series.size < MAX_SERIES - 1) return this.#add(key, attributes);
    return this.#series.get('') ?? this.#add('', OVERFLOW);
  }
  #add(key: string, attributes: Attribute[]): Series {
    const buckets = this.#definition.kind === 'DISTRIBUTION' ? Array.from({ length: this.#bounds().length + 1 }, () => 0) : [];
    const series: Series = { attributes, value: 0, count: 0, min: Number.POSITIVE_INFINITY, max: Number.NEGATIVE_INFINITY, buckets };
    this.#series.set(key, series);
    return series;
  }
  #data(kind: MetricDefinition['kind'], timeUnixNano: bigint) {
    const startTimeUnixNano = this.#startNs;
    const all = [...this.#series.values()];
    const aggregationTemporality = AggregationTemporality.CUMULATIVE;
    if (kind === 'DISTRIBUTION') {
      const dataPoints = all.map(({ attributes, count, value, min, max, buckets }) => ({
        attributes,
        startTimeUnixNano,
        timeUnixNano,
        count: BigInt(count),
        sum: value,
        min,
        max,
        bucketCounts: buckets.map(BigInt),
        explicitBounds: [...this.#bounds()],
      }));
      return { case: 'histogram' as const, value: { dataPoints, aggregationTemporality } };
    }
    const dataPoints = all.map(({ attributes, value }) => ({
      attributes,
      startTimeUnixNano: kind === 'GAUGE' ? 0n : startTimeUnixNano,
      timeUnixNano,
      value: this.#whole ? { case: 'asInt' as const, value: BigInt(value) } : { case: 'asDouble' as const, value },
    }));
    if (kind === 'GAUGE') return { case: 'gauge' as const, value: { dataPoints } };
    return { case: 'sum' as const, value: { dataPoints, aggregationTemporality, isMonotonic: true } };
  }
}
