/**
 * An operational failure: something outside the program went wrong. `code` is stable and documented in
 * `docs/reference/errors.md`; `message` says what happened, with the value, and what to check next.
 */
export class XebecError extends Error {
  readonly code: string;
  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'XebecError';
    this.code = code;
  }
}

/** The text of anything that was thrown, causes included, on one line. */
export function errorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const own = error.message === '' ? error.name : error.message;
  const cause = error.cause === undefined ? '' : errorText(error.cause);
  // Who wraps an error often writes its text into the new one.
  const text = cause === '' || own.includes(cause) ? own : `${own}: ${cause}`;
  return text.replaceAll(/\s*\n\s*/g, ' ');
}

/** Trips on a bug in Xebec itself, never on input. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`invariant violated: ${message}`);
}
