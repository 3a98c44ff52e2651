export { Backoff, type BackoffOptions } from './backoff.ts';
export { type Clock, systemClock, VirtualClock } from './clock.ts';
export { Debounce, type DebounceOptions } from './debounce.ts';
export { errorText, invariant, XebecError } from './errors.ts';
export type { FuzzTarget } from './fuzz-target.ts';
export { type Logger, silentLogger } from './logger.ts';
export { type Random, secureRandom, seededRandom, systemRandom } from './random.ts';
export { err, ok, type Result, type Violation } from './result.ts';
export { editDistance, nearest } from './spelling.ts';
