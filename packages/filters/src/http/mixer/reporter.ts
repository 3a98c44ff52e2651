import { create, toBinary } from '@bufbuild/protobuf';
import { errorText } from '@xebec/core';
import type { CompressedAttributes } from '@xebec/protos/istio/mixer/v1/attributes';
import { ReportRequest_RepeatedAttributesSemantics, ReportRequestSchema } from '@xebec/protos/istio/mixer/v1/mixer';
import type { FilterContext } from '../../http-filter.ts';
import type { AttributeBag } from './attributes.ts';
import { compressAttributes } from './compress.ts';

export interface ReporterOptions {
  readonly cluster: string;
  readonly maxEntries: number;
  readonly maxTimeMs: number;
}

const reportTimeoutMs = 5000;
/** Batches under way at one time; what comes beyond is dropped and counted, so a dead Mixer costs no memory. */
const maxInFlight = 8;

/** Gathers reports of finished requests into batches. */
export class MixerReporter {
  readonly #options: ReporterOptions;
  readonly #context: FilterContext;
  #batch: CompressedAttributes[] = [];
  #inFlight = 0;
  #cancelTimer: (() => void) | undefined;

  constructor(options: ReporterOptions, context: FilterContext) {
    this.#options = options;
    this.#context = context;
  }
  report(bag: AttributeBag): void {
    this.#batch.push(compressAttributes(bag));
    if (this.#batch.length >= this.#options.maxEntries) this.flush();
    else this.#cancelTimer ??= this.#context.clock.setTimeout(() => this.flush(), this.#options.maxTimeMs);
  }
  flush(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    const attributes = this.#batch;
    if (attributes.length === 0) return;
    this.#batch = [];
    const stats = this.#context.stats.scope('http_mixer_filter');
    if (this.#inFlight >= maxInFlight) {
      stats.counter('total_reports_dropped').add(attributes.length);
      return;
    }
    const request = create(ReportRequestSchema, {
      attributes,
      globalWordCount: 0,
      repeatedAttributesSemantics: ReportRequest_RepeatedAttributesSemantics.INDEPENDENT_ENCODING,
    });
    this.#inFlight++;
    stats.counter('total_remote_report_calls').add(1);
    this.#context.upstream
      .grpcUnary(this.#options.cluster, '/istio.mixer.v1.Mixer/Report', toBinary(ReportRequestSchema, request), reportTimeoutMs)
      .catch((error: unknown) => {
        stats.counter('total_reports_dropped').add(attributes.length);
        this.#context.logger.debug({ error: errorText(error), entries: attributes.length }, 'reports to Mixer were lost');
      })
      .finally(() => {
        this.#inFlight--;
      });
  }
  close(): void {
    this.flush();
  }
}
