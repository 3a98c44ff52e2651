import type { CheckOutcome, CheckPart, HeaderChange } from './dispatcher.ts';

/** What holds when no adapter says otherwise. */
export const DEFAULT_VALIDITY = { validDurationMs: 60_000, validUseCount: 10_000 };
/** Codes of google.rpc.Code for what adapters could not answer. */
export const INTERNAL = 13;
export const UNAVAILABLE = 14;

const OK = 0;
/** An answer that an error made should not live long. */
const FAILED = { validDurationMs: 0, validUseCount: 0 };

/** One answer of all adapters': a denial counts for more than a failure elsewhere, a failure for more than a consent. */
export function combineChecks(parts: readonly CheckPart[]): CheckOutcome {
  let validDurationMs = Number.POSITIVE_INFINITY;
  let validUseCount = Number.POSITIVE_INFINITY;
  let code = OK;
  const messages: string[] = [];
  const failures: string[] = [];
  let away = true;
  let answered = false;
  let direct: CheckOutcome['directResponse'];
  for (const { handler, called } of parts) {
    if (!called.ok) {
      failures.push(called.error);
      away &&= called.unavailable === true;
      continue;
    }
    const { value } = called;
    // Whoever consents and says no more leaves the validity to others, as in release 1.4.
    if (value.code === OK && value.validDurationMs === 0 && value.validUseCount === 0) continue;
    answered = true;
    validDurationMs = Math.min(validDurationMs, value.validDurationMs);
    if (value.validUseCount >= 0) validUseCount = Math.min(validUseCount, value.validUseCount);
    if (value.code === OK) continue;
    if (code === OK) {
      code = value.code;
      direct = value.directResponse;
    }
    messages.push(`${handler}:${value.message}`);
  }
  if (code === OK && failures.length > 0) {
    const failure = failures.join('; ');
    return { ...FAILED, code: away ? UNAVAILABLE : INTERNAL, message: failure, failure, requestHeaders: [], responseHeaders: [] };
  }
  const validity = answered
    ? { validDurationMs, validUseCount: validUseCount === Number.POSITIVE_INFINITY ? -1 : validUseCount }
    : DEFAULT_VALIDITY;
  return {
    code,
    message: messages.join(', '),
    ...validity,
    requestHeaders: [],
    responseHeaders: direct?.headers === undefined ? [] : directHeaders(direct.headers),
    ...(direct === undefined ? {} : { directResponse: direct }),
  };
}

/** Cookies cannot be joined in one line: what stands in one value, between commas, becomes several. */
function directHeaders(headers: Readonly<Record<string, string>>): HeaderChange[] {
  return Object.entries(headers).flatMap(([name, value]): HeaderChange[] =>
    name.toLowerCase() === 'set-cookie'
      ? value.split(',').map((cookie) => ({ name, value: cookie, operation: 'APPEND' }))
      : [{ name, value, operation: 'REPLACE' }],
  );
}
