import type { ConfigSource } from '@xebec/config';
import type { Clock } from '@xebec/core';
import type { AdmissionAnswer } from './admission.ts';

/** Longest time that a warning about something missing waits for it. */
const WAIT_MS = 300;

/**
 * An answer whose warnings still hold when what was stored just before has been seen: objects of one file are admitted within
 * milliseconds of each other, and the watch is not that quick. An answer without warnings is given at once.
 */
export function settledAnswer(
  judge: () => AdmissionAnswer,
  source: Pick<ConfigSource, 'subscribe'>,
  clock: Clock,
): Promise<AdmissionAnswer> {
  const first = judge();
  if (!first.allowed || (first.warnings ?? []).length === 0) return Promise.resolve(first);
  return new Promise((resolve) => {
    let latest = first;
    const end = () => {
      stop();
      cancel();
      resolve(latest);
    };
    const cancel = clock.setTimeout(end, WAIT_MS);
    const stop = source.subscribe(() => {
      latest = judge();
      if (!latest.allowed || (latest.warnings ?? []).length === 0) end();
    });
  });
}
