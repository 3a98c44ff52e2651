/** Handles are looked up when configuration is compiled; `add` on the request path is an array write. */
export interface Counter {
  add(n: number): void;
  readonly value: number;
}

export interface Gauge {
  set(value: number): void;
  add(n: number): void;
  readonly value: number;
}

export interface Histogram {
  record(value: number): void;
}

/** A text beside the numbers, such as the version of a configuration. */
export interface TextReadout {
  set(text: string): void;
}

/** Envoy-style names (`cluster.outbound|9080||reviews.upstream_rq_total`) with the tags that Prometheus shows. */
export interface StatsScope {
  counter(name: string): Counter;
  gauge(name: string): Gauge;
  histogram(name: string): Histogram;
  /** Of this thread only: another one's are not told. */
  textReadout(name: string): TextReadout;
  /** A scope whose names start with `prefix.`. */
  scope(prefix: string): StatsScope;
  /** A metric with labels, for names that are not Envoy's tree: `istio_requests_total`. */
  labelled(kind: 'counter' | 'gauge' | 'histogram', name: string, labels: Readonly<Record<string, string>>): Counter & Gauge & Histogram;
  /** Counts up whenever labelled metrics were evicted: handles of labelled metrics that are kept must be asked for again. */
  readonly generation: number;
}
