import { errorText } from '@xebec/core';
import type { FilterContext } from '../../http-filter.ts';
import type { AttributeSet } from './attribute.ts';
import { callFailure } from './call-failure.ts';
import type { ClientStats } from './client-stats.ts';
import { type ReadValues, ReportBatch } from './report-batch.ts';
import type { GlobalWords } from './word-dictionary.ts';

export interface ReporterOptions {
  readonly cluster: string;
  readonly maxEntries: number;
  readonly maxTimeMs: number;
}

const REPORT = '/istio.mixer.v1.Mixer/Report';
const reportTimeoutMs = 5000;
/**
 * Batches under way at one time; what comes beyond is dropped and counted, so a dead Mixer costs no memory. Small batches of a busy proxy
 * are many: a Mixer that takes 50 ms for each of 2,000 a second has 100 of them.
 */
const maxInFlight = 128;
/** A batch leaves when it is this large, however few its entries. */
const maxBatchBytes = 256 * 1024;
/** Of batches that are sent and not answered: heads of requests can be large. */
const maxInFlightBytes = 4 * 1024 * 1024;
/** Batches of entries that have the same attributes; what has yet others goes into one that takes all. */
const maxShapes = 8;

/** Gathers reports of finished calls into batches. */
export class MixerReporter<C> {
  readonly #options: ReporterOptions;
  readonly #context: FilterContext;
  readonly #stats: ClientStats;
  readonly #words: GlobalWords;
  #shaped: ReportBatch<C>[] = [];
  #mixed: ReportBatch<C> | undefined;
  #inFlight = 0;
  #inFlightBytes = 0;
  #cancelTimer: (() => void) | undefined;

  constructor(options: ReporterOptions, context: FilterContext, stats: ClientStats, words: GlobalWords) {
    this.#options = options;
    this.#context = context;
    this.#stats = stats;
    this.#words = words;
  }
  report(set: AttributeSet<C>, call: C): void {
    this.#stats.total_report_calls.add(1);
    const { attributes } = set;
    const values: ReadValues[number][] = [];
    let shape = '';
    let bits = 0;
    for (let i = 0; i < attributes.length; i++) {
      const value = attributes[i]?.read(call);
      values.push(value);
      if (value !== undefined) bits |= 1 << (i & 15);
      if ((i & 15) === 15) {
        shape += String.fromCharCode(bits);
        bits = 0;
      }
    }
    shape += String.fromCharCode(bits);
    const batch = this.#batchOf(set, shape);
    batch.add(set, values);
    if (batch.count >= this.#options.maxEntries || batch.bytes >= maxBatchBytes) this.#send(batch);
    else this.#cancelTimer ??= this.#context.clock.setTimeout(() => this.flush(), this.#options.maxTimeMs);
  }
  /** Sends what there is. */
  flush(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    for (const batch of [...this.#shaped, ...(this.#mixed === undefined ? [] : [this.#mixed])]) this.#send(batch);
  }
  close(): void {
    this.flush();
  }
  #batchOf(set: AttributeSet<C>, shape: string): ReportBatch<C> {
    for (const batch of this.#shaped) if (batch.set === set && batch.shape === shape) return batch;
    if (this.#shaped.length < maxShapes) {
      const batch = new ReportBatch<C>(this.#words.count, set, shape);
      this.#shaped.push(batch);
      return batch;
    }
    this.#mixed ??= new ReportBatch<C>(this.#words.count);
    return this.#mixed;
  }
  #send(batch: ReportBatch<C>): void {
    if (batch === this.#mixed) this.#mixed = undefined;
    else this.#shaped = this.#shaped.filter((other) => other !== batch);
    const stats = this.#stats;
    const { count } = batch;
    if (this.#inFlight >= maxInFlight || this.#inFlightBytes + batch.bytes > maxInFlightBytes) {
      stats.total_reports_dropped.add(count);
      return;
    }
    const wordCount = this.#words.count;
    const bytes = batch.finish();
    this.#inFlight++;
    this.#inFlightBytes += bytes.length;
    stats.total_remote_report_calls.add(1);
    this.#context.upstream
      .grpcUnary(this.#options.cluster, REPORT, bytes, reportTimeoutMs)
      .then(
        () => stats.total_remote_report_successes.add(1),
        (error: unknown) => {
          const failure = callFailure(error);
          if (failure === 'words') this.#words.shrink(wordCount);
          if (failure === 'timeout') stats.total_remote_report_timeouts.add(1);
          else if (failure === 'not sent') stats.total_remote_report_send_errors.add(1);
          else stats.total_remote_report_other_errors.add(1);
          stats.total_reports_dropped.add(count);
          this.#context.logger.debug({ error: errorText(error), entries: count }, 'reports to Mixer were lost');
        },
      )
      .finally(() => {
        this.#inFlight--;
        this.#inFlightBytes -= bytes.length;
      });
  }
}
