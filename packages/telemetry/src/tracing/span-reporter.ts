import { type Clock, errorText, type Logger } from '@xebec/core';
import { encodeZipkinV2, type FinishedSpan, type LocalEndpoint } from './span.ts';

/** Sends one body to the collector; rejects when it was not taken. */
export type SpanTransport = (body: Buffer) => Promise<void>;

export interface SpanReporterOptions {
  /** This proxy in Zipkin's spans. */
  readonly local?: LocalEndpoint;
  /** Another encoding than Zipkin's JSON. */
  readonly encode?: (spans: readonly FinishedSpan[]) => Uint8Array;
  readonly transport: SpanTransport;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Spans per request; Envoy's default is 5, which is few for us. */
  readonly maxBatch?: number;
  readonly flushIntervalMs?: number;
  /** A report of so many spans was taken, or was lost. */
  readonly onSent?: (spans: number) => void;
  readonly onDropped?: (spans: number) => void;
}

/** Requests to the collector under way at one time; beyond it spans are dropped and counted. */
const maxInFlight = 4;

/** Gathers spans and sends them in batches. A collector that is away costs spans, not memory. */
export class SpanReporter {
  readonly #options: SpanReporterOptions;
  #batch: FinishedSpan[] = [];
  #cancelTimer: (() => void) | undefined;
  #inFlight = 0;
  #sent = 0;
  #dropped = 0;

  constructor(options: SpanReporterOptions) {
    this.#options = options;
  }
  get sent(): number {
    return this.#sent;
  }
  get dropped(): number {
    return this.#dropped;
  }
  report(span: FinishedSpan): void {
    this.#batch.push(span);
    if (this.#batch.length >= (this.#options.maxBatch ?? 100)) this.flush();
    else this.#cancelTimer ??= this.#options.clock.setTimeout(() => this.flush(), this.#options.flushIntervalMs ?? 1000);
  }
  flush(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    const spans = this.#batch;
    if (spans.length === 0) return;
    this.#batch = [];
    if (this.#inFlight >= maxInFlight) {
      this.#drop(spans.length);
      return;
    }
    this.#inFlight++;
    const { encode, local } = this.#options;
    const body = encode?.(spans) ?? encodeZipkinV2(spans, local ?? { serviceName: '' });
    this.#options.transport(typeof body === 'string' ? Buffer.from(body) : Buffer.from(body)).then(
      () => {
        this.#inFlight--;
        this.#sent += spans.length;
        this.#options.onSent?.(spans.length);
      },
      (error: unknown) => {
        this.#inFlight--;
        this.#drop(spans.length);
        this.#options.logger.debug({ error: errorText(error), spans: spans.length }, 'spans were lost');
      },
    );
  }
  close(): void {
    this.flush();
  }
  #drop(spans: number): void {
    this.#dropped += spans;
    this.#options.onDropped?.(spans);
  }
}
