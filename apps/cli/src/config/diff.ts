import { type ContentChange, diffChanges, memberOf, summarize, versionsBetween } from '@xebec/history';
import { CommandFailure, EXIT } from '../exit.ts';
import { type HistoryOptions, parseVersion, readHistory } from './read-history.ts';

export interface DiffOptions extends HistoryOptions {
  readonly output: string;
}

/** Prints what a version changed, or what changed from one version to another; exit 1 when there is a difference, as diff. */
export async function run(first: string, second: string | undefined, options: DiffOptions): Promise<void> {
  if (options.output !== 'diff' && options.output !== 'json')
    throw new CommandFailure(`-o ${options.output} is not an output format; use diff or json`, EXIT.usage);
  const history = await readHistory(options);
  const a = parseVersion(first, history);
  const b = second === undefined ? a : parseVersion(second, history);
  const [from, to] = second === undefined ? [a - 1, a] : [Math.min(a, b), Math.max(a, b)];
  const versions = versionsBetween(history, from, to);
  if (second === undefined && a < (history[0]?.number ?? 0))
    throw new CommandFailure(
      `v${a} is what was before the history begins; "xebec config diff v${a} v${history.at(-1)?.number}" shows what changed since`,
      EXIT.data,
    );
  if (versions === undefined) throw new CommandFailure(`not every version from v${from + 1} to v${to} is kept`, EXIT.data);
  const forward = summarize(versions).filter(
    (change) => options.namespace === undefined || memberOf(change).namespace === options.namespace,
  );
  const changes: readonly ContentChange[] = a > b ? forward.map(({ before, after }) => ({ before: after, after: before })) : forward;
  if (options.output === 'json')
    process.stdout.write(
      `${JSON.stringify(
        changes.map((change) => ({ ...memberOf(change), ...change })),
        null,
        2,
      )}\n`,
    );
  else process.stdout.write(diffChanges(changes));
  if (changes.length > 0) process.exitCode = EXIT.failure;
}
