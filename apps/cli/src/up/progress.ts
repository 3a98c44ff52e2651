/** Lines with a tick and the time since the start; on a terminal the running step is shown and overwritten. */
export class Progress {
  readonly #startedAt = performance.now();
  readonly #tty: boolean;
  #shown = false;

  constructor() {
    this.#tty = process.stdout.isTTY === true;
  }
  get elapsedS(): string {
    return ((performance.now() - this.#startedAt) / 1000).toFixed(1);
  }
  /** What is being waited for. */
  waiting(text: string): void {
    if (!this.#tty) return;
    // A line that wraps could not be overwritten.
    const width = Math.max(20, (process.stdout.columns ?? 80) - 3);
    process.stdout.write(`\r\x1b[K… ${text.length > width ? `${text.slice(0, width - 1)}…` : text}`);
    this.#shown = true;
  }
  done(text: string): void {
    this.#clear();
    process.stdout.write(`✔ ${text} (${this.elapsedS} s)\n`);
  }
  line(text: string): void {
    this.#clear();
    process.stdout.write(`${text}\n`);
  }
  #clear(): void {
    if (!this.#shown) return;
    process.stdout.write('\r\x1b[K');
    this.#shown = false;
  }
}
