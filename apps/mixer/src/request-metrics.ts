import { Counter, type Registry } from 'prom-client';
import { CollectedHistogram, Durations } from './dispatch-metrics.ts';

/** gRPC calls of one method, counted in plain numbers. */
export class MethodCounts {
  readonly method: string;
  /** By google.rpc.Code. */
  readonly codes = new Map<number, number>();
  readonly durations = new Durations();

  constructor(method: string) {
    this.method = method;
  }
  observe(code: number, seconds: number): void {
    this.codes.set(code, (this.codes.get(code) ?? 0) + 1);
    this.durations.observe(seconds);
  }
}

export class RequestMetrics {
  readonly #methods = new Map<string, MethodCounts>();

  constructor(registry: Registry) {
    const methods = this.#methods;
    new Counter({
      name: 'mixer_requests_total',
      help: 'gRPC calls by method and google.rpc.Code.',
      labelNames: ['method', 'code'] as const,
      registers: [registry],
      collect() {
        this.reset();
        for (const { method, codes } of methods.values())
          for (const [code, count] of codes) this.inc({ method, code: String(code) }, count);
      },
    });
    const samples = (name: string) => [...methods.values()].flatMap(({ method, durations }) => durations.samples(name, { method }));
    new CollectedHistogram('mixer_request_duration_seconds', 'Time to answer a gRPC call.', samples, registry);
  }
  of(method: string): MethodCounts {
    let counts = this.#methods.get(method);
    if (counts === undefined) {
      counts = new MethodCounts(method);
      this.#methods.set(method, counts);
    }
    return counts;
  }
}
