import { errorText, XebecError } from '@xebec/core';

/** How a call to Mixer failed. */
export type CallFailure = 'timeout' | 'not sent' | 'words' | 'other';

export function callFailure(error: unknown): CallFailure {
  if (error instanceof XebecError && error.code === 'E_UPSTREAM_TIMEOUT') return 'timeout';
  const text = errorText(error);
  // Of words that it does not know Mixer says INVALID_ARGUMENT; release 1.4's says INTERNAL, and why.
  if (/: status (3 |13 .*inconsistent global dictionary)/.test(text)) return 'words';
  return /: status \d+ /.test(text) ? 'other' : 'not sent';
}
