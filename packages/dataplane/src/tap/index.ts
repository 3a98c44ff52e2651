/** What the stream of `/tap/stream` asks and says; loads nothing of the proxy. */
export type { ShownHeader } from './shown-headers.ts';
export type { TapEvent, TapMessage, TapParty, TapSummary } from './tap-event.ts';
export { durationMs, parseTapRequest, type TapRequest, tapLimits, tapParameters } from './tap-request.ts';
export type { TapStatus } from './tap-viewers.ts';
