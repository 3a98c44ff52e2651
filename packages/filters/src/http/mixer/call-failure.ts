import { errorText, XebecError } from '@xebec/core';

/** How a call to Mixer failed. */
export type CallFailure = 'timeout' | 'not sent' | 'words' | 'other';

export function callFailure(error: unknown): CallFailure {
  if (error instanceof XebecError && error.code === 'E_UPSTREAM_TIMEOUT') return 'timeout';
  const text = errorText(error);
  // INVALID_ARGUMENT is what Mixer says of words that it does not know.
  if (/: status 3 /.test(text)) return 'words';
  return /: status \d+ /.test(text) ? 'other' : 'not sent';
}
