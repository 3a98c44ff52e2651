/** One figure of the benchmark, with what it must not pass. */
export interface BenchPart {
  readonly name: string;
  readonly what: string;
  readonly unit: 'us' | '%';
  /** Largest figure that holds. */
  readonly limit: number;
  /** What Istio says of its own Mixer, or was measured of Envoy, where there is such a figure. */
  readonly peer?: number;
  /** Measures once; the figure is in `unit`. */
  measure(options: PartOptions): Promise<number>;
  /** Ends what measuring started. */
  close?(): Promise<void>;
}

export interface PartOptions {
  readonly seconds: number;
}
