import { CommandFailure, EXIT } from '../exit.ts';
import type { PilotReplica } from './debug.ts';

/** An object whose arrival at the proxies is waited for. */
export interface AwaitedObject {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** 0: any. */
  readonly generation: number;
}

export interface Refusal {
  readonly proxy: string;
  readonly type: string;
  readonly resources: readonly string[];
  readonly message: string;
}

/** How far the proxies of all pilots are with one object. */
export interface ObjectProgress extends AwaitedObject {
  readonly state: 'live' | 'pending' | 'rejected' | 'unknown';
  readonly live: number;
  readonly proxies: number;
  readonly waiting: readonly string[];
  readonly rejected: readonly Refusal[];
}

/** What a pilot's `/debug/objectz` says; the fields that are read. */
interface Entry {
  readonly state: 'live' | 'pending' | 'rejected';
  readonly generation: number;
  readonly live: number;
  readonly proxies: number;
  readonly waiting: readonly string[];
  readonly rejected: readonly Refusal[];
}

/** A pilot keeps one request for this long at most, so that a lost one costs little. */
const SLICE_S = 10;

/** Waits until every object is live on all proxies, or refused by one, or the time is over. */
export async function awaitObjects(
  pilots: readonly PilotReplica[],
  objects: readonly AwaitedObject[],
  deadline: { remainingMs(): number },
): Promise<readonly ObjectProgress[]> {
  const states: ObjectProgress[] = [];
  for (const object of objects) {
    for (;;) {
      const waitS = Math.max(0, Math.min(SLICE_S, deadline.remainingMs() / 1000));
      const answers = await Promise.all(pilots.map((pilot) => ask(pilot, object, waitS)));
      const state = merge(object, answers);
      if (state.state === 'live' || state.state === 'rejected' || deadline.remainingMs() <= 0) {
        states.push(state);
        break;
      }
    }
  }
  return states;
}

async function ask(pilot: PilotReplica, { kind, namespace, name, generation }: AwaitedObject, waitS: number): Promise<Entry | undefined> {
  const query = new URLSearchParams({ kind, namespace, name, generation: String(generation), wait: `${waitS.toFixed(2)}s` });
  const list = await pilot.read(`objectz?${query}`);
  if (!Array.isArray(list))
    throw new CommandFailure(`${pilot.name}: /debug/objectz is not a list; is it of the same version as this command?`);
  // The page is ours, and its form is fixed by the pilot's own type.
  return (list as readonly Entry[])[0];
}

export function merge(object: AwaitedObject, answers: readonly (Entry | undefined)[]): ObjectProgress {
  const known = answers.flatMap((answer) => answer ?? []);
  const rejected = known.flatMap((answer) => answer.rejected);
  const waiting = known.flatMap((answer) => answer.waiting);
  const sum = (pick: (entry: Entry) => number) => known.reduce((total, entry) => total + pick(entry), 0);
  const complete = known.length === answers.length;
  const settled = complete && known.every(({ state }) => state === 'live');
  const state = rejected.length > 0 ? 'rejected' : settled ? 'live' : known.length === 0 ? 'unknown' : 'pending';
  const generation = Math.max(object.generation, ...known.map((entry) => entry.generation));
  return { ...object, generation, state, live: sum(({ live }) => live), proxies: sum(({ proxies }) => proxies), waiting, rejected };
}

/** One line an object: `VirtualService default/reviews: live on 37 of 37 proxies`. */
export function progressLine({ kind, namespace, name, generation, state, live, proxies, waiting, rejected }: ObjectProgress): string {
  const what = `${kind} ${namespace}/${name}`;
  const count = `live on ${live} of ${proxies} proxies`;
  if (state === 'rejected') {
    const refusals = rejected.map(({ proxy, type, message }) => `  ${proxy} refuses ${type}: ${message}`);
    return [`${what}: ${count}`, ...refusals].join('\n');
  }
  if (state === 'unknown') return `${what}: no pilot has it${generation > 0 ? ` at generation ${generation}` : ''}`;
  return state === 'live' ? `${what}: ${count}` : `${what}: ${count}; waiting for ${waiting.join(', ') || 'a pilot'}`;
}

/** `30s`, `2m`, `500ms`, `1m30s`. */
export function parseTimeout(text: string): number {
  const units: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
  if (!/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text))
    throw new CommandFailure(`--timeout ${text} is not a duration; write it as 30s, 500ms or 1m30s`, EXIT.usage);
  return [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)].reduce(
    (sum, [, value, unit]) => sum + Number(value) * (units[unit ?? ''] ?? 0),
    0,
  );
}

/** Prints the outcome, and fails when not everything is live. */
export function report(states: readonly ObjectProgress[], output: string): void {
  if (output === 'json') process.stdout.write(`${JSON.stringify(states, null, 2)}\n`);
  else for (const state of states) process.stdout.write(`${progressLine(state)}\n`);
  const failed = states.filter(({ state }) => state !== 'live');
  if (failed.length === 0) return;
  const refused = failed.filter(({ state }) => state === 'rejected');
  const [first] = refused;
  if (first !== undefined) {
    const [refusal] = first.rejected;
    throw new CommandFailure(`${first.kind} ${first.namespace}/${first.name} is refused by ${refusal?.proxy}: ${refusal?.message}`);
  }
  throw new CommandFailure(`timed out: ${failed.length} of ${states.length} objects are not live on every proxy`);
}
