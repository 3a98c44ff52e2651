import { type ConfigVersion, memberOf } from '@xebec/history';
import { CommandFailure, EXIT } from '../exit.ts';
import { formatTable } from '../table.ts';
import { type HistoryOptions, readHistory } from './read-history.ts';

export interface ListOptions extends HistoryOptions {
  readonly output: string;
  readonly limit: string;
}

/** Members named in a line; more are counted. */
const NAMED = 3;

/** Prints the versions, newest first. */
export async function run(options: ListOptions): Promise<void> {
  const limit = Number(options.limit);
  if (!Number.isInteger(limit) || limit < 1) throw new CommandFailure(`--limit ${options.limit} is no whole number above 0`, EXIT.usage);
  if (options.output !== 'short' && options.output !== 'json')
    throw new CommandFailure(`-o ${options.output} is not an output format; use short or json`, EXIT.usage);
  const history = (await readHistory(options)).filter((version) => touches(version, options.namespace)).slice(-limit);
  const shown = [...history].reverse();
  if (options.output === 'json') {
    const list = shown.map(({ changes, ...version }) => ({
      ...version,
      changes: changes.map((change) => ({ ...memberOf(change), ...change })),
    }));
    process.stdout.write(`${JSON.stringify(list, null, 2)}\n`);
    return;
  }
  if (shown.length === 0) {
    console.error(
      options.namespace === undefined ? 'the history is empty' : `no version changed anything in namespace ${options.namespace}`,
    );
    return;
  }
  process.stdout.write(formatTable(['VERSION', 'TIME', 'AUTHOR', 'CHANGES', 'MESSAGE'], shown.map(row)));
}

function row({ number, time, author, cause, changes, message }: ConfigVersion): string[] {
  const named = changes.slice(0, NAMED).map((change) => {
    const { kind, namespace, name, change: what } = memberOf(change);
    return `${what === 'created' ? '+' : what === 'deleted' ? '-' : '~'}${kind} ${namespace === '' ? '' : `${namespace}/`}${name}`;
  });
  const more = changes.length > NAMED ? `, ${changes.length - NAMED} more` : '';
  const note = message === '' && cause === 'found' ? '(made while no galley ran)' : message;
  return [`v${number}`, time.replace('T', ' ').replace(/\.\d+Z$/, 'Z'), author === '' ? '-' : author, `${named.join(', ')}${more}`, note];
}

function touches({ changes }: ConfigVersion, namespace: string | undefined): boolean {
  return namespace === undefined || changes.some((change) => memberOf(change).namespace === namespace);
}
