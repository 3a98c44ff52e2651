import { type ContentChange, diffChanges, memberOf, summarize, versionsBetween } from '@xebec/history';
import { CommandFailure, EXIT } from '../exit.ts';
import { type HistoryOptions, parseVersion, readHistory } from './read-history.ts';

/** Prints what a version changed, or what changed from one version to another; exit 1 when there is a difference, as diff. */
export async function run(first: string, second: string | undefined, options: HistoryOptions): Promise<void> {
  const history = await readHistory(options);
  const a = parseVersion(first, history);
  const b = second === undefined ? a : parseVersion(second, history);
  const [from, to] = second === undefined ? [a - 1, a] : [Math.min(a, b), Math.max(a, b)];
  const versions = versionsBetween(history, from, to);
  if (versions === undefined) throw new CommandFailure(`not every version from v${from + 1} to v${to} is kept`, EXIT.data);
  const forward = summarize(versions).filter(
    (change) => options.namespace === undefined || memberOf(change).namespace === options.namespace,
  );
  const changes: readonly ContentChange[] = a > b ? forward.map(({ before, after }) => ({ before: after, after: before })) : forward;
  const text = diffChanges(changes);
  process.stdout.write(text);
  if (text !== '') process.exitCode = EXIT.failure;
}
