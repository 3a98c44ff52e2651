import type { FilterDataStatus, FilterStatus, HttpFilter, HttpFilterCallbacks } from '../../http-filter.ts';

/** A second's bytes go in so many parts, as in Envoy. */
const PARTS = 16;
/** What waits here before the upstream is slowed too. */
const HIGH_WATER_BYTES = 256 * 1024;

/** A response's body at so many kibibytes a second. */
export class SlowBody {
  readonly #bytesPerPart: number;
  readonly #filter: HttpFilter;
  readonly #callbacks: HttpFilterCallbacks;
  #waiting: Buffer[] = [];
  #bytes = 0;
  #end = false;
  #trailers = false;
  #paused = false;
  #cancel: (() => void) | undefined;

  constructor(kbps: number, filter: HttpFilter, callbacks: HttpFilterCallbacks) {
    this.#bytesPerPart = Math.max(1, Math.floor((kbps * 1024) / PARTS));
    this.#filter = filter;
    this.#callbacks = callbacks;
  }
  get empty(): boolean {
    return this.#bytes === 0;
  }
  take(data: Buffer, endStream: boolean): FilterDataStatus {
    this.#waiting.push(data);
    this.#bytes += data.length;
    this.#end = endStream;
    if (this.#bytes > HIGH_WATER_BYTES && !this.#paused) {
      this.#paused = true;
      this.#callbacks.pauseResponse();
    }
    this.#cancel ??= this.#callbacks.setTimeout(() => this.#next(), 0);
    return 'taken';
  }
  trailers(): FilterStatus {
    this.#trailers = true;
    return 'stop';
  }
  close(): void {
    this.#cancel?.();
    this.#waiting = [];
  }
  #next(): void {
    this.#cancel = undefined;
    const all = this.#waiting.length === 1 ? (this.#waiting[0] ?? Buffer.alloc(0)) : Buffer.concat(this.#waiting);
    const part = all.subarray(0, this.#bytesPerPart);
    const rest = all.subarray(this.#bytesPerPart);
    this.#waiting = rest.length === 0 ? [] : [rest];
    this.#bytes = rest.length;
    const last = rest.length === 0;
    if (!last) this.#cancel = this.#callbacks.setTimeout(() => this.#next(), 1000 / PARTS);
    if (this.#paused && this.#bytes < HIGH_WATER_BYTES / 2) {
      this.#paused = false;
      this.#callbacks.resumeResponse();
    }
    this.#callbacks.passResponseData(this.#filter, part, last && this.#end);
    if (last && this.#trailers) this.#callbacks.continueResponse(this.#filter);
  }
}
