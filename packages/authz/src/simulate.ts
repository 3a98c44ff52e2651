import { changedSteps, type PolicyChange } from './changed-rules.ts';
import { type Decision, decide } from './decide.ts';
import type { GuardedListeners } from './guards.ts';
import type { RequestRecord } from './request-record.ts';

/** Requests that the new policies treat alike, and otherwise than the live ones. */
export interface VerdictChange {
  readonly example: RequestRecord;
  readonly requests: number;
  readonly before: Decision;
  readonly after: Decision;
}

export interface Simulation {
  readonly requests: number;
  readonly unchanged: number;
  /** The most frequent first. */
  readonly changes: readonly VerdictChange[];
  /** Requests over mTLS of which nobody recorded who called: rules about callers may decide otherwise. */
  readonly principalUnknown: number;
  /** Requests that policies on trial would deny, now and then. */
  readonly dryRunDenied: number;
}

/** Decides each record twice, by what a proxy enforces and by what it would, and tells what differs. */
export function simulate(listeners: GuardedListeners, change: PolicyChange, records: readonly RequestRecord[]): Simulation {
  const changes = new Map<string, { example: RequestRecord; requests: number; before: Decision; after: Decision }>();
  let unchanged = 0;
  let dryRunDenied = 0;
  for (const record of records) {
    const before = decide(listeners, record);
    const after = decide(listeners, record, (guard) => changedSteps(guard, change));
    if (after.dryRunDenies.length > 0) dryRunDenied++;
    if (before.answer === after.answer && before.status === after.status) {
      unchanged++;
      continue;
    }
    const path = record.path.split('?', 1)[0];
    const key = [record.port, record.principal, record.method, path, before.answer, before.because, after.answer, after.because].join('\n');
    const known = changes.get(key);
    if (known === undefined) changes.set(key, { example: record, requests: 1, before, after });
    else known.requests++;
  }
  return {
    requests: records.length,
    unchanged,
    changes: [...changes.values()].sort((a, b) => b.requests - a.requests),
    principalUnknown: records.filter((record) => record.principalUnknown).length,
    dryRunDenied,
  };
}
