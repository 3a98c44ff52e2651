import {
  KeyValueAppend_KeyValueAppendAction as Action,
  type KeyValueAppend,
  type KeyValueMutation,
} from '@xebec/protos/envoy/config/core/v3/base';
import { compileFormat, type FormatContext } from '@xebec/telemetry';
import { QueryParameters } from '../../query-parameters.ts';

type Operation = (query: QueryParameters, context: FormatContext) => void;

/** Changes the query of a path. */
export type QueryMutation = (path: string, context: FormatContext) => string;

/** Compiles query parameter mutations; undefined when there are none. */
export function compileQueryMutation(list: readonly KeyValueMutation[]): QueryMutation | undefined {
  const operations: Operation[] = [];
  for (const { append, remove } of list) {
    if (remove !== '') operations.push((query) => query.delete(remove));
    const operation = append === undefined ? undefined : compileAppend(append);
    if (operation !== undefined) operations.push(operation);
  }
  if (operations.length === 0) return undefined;
  return (path, context) => {
    const query = new QueryParameters(path);
    for (const operation of operations) operation(query, context);
    return query.toPath();
  };
}

function compileAppend({ entry, record, action }: KeyValueAppend): Operation | undefined {
  const name = record?.key ?? entry?.key ?? '';
  const value = record?.value;
  const raw =
    value === undefined
      ? Buffer.from(entry?.value ?? new Uint8Array()).toString()
      : value.kind.case === 'stringValue'
        ? value.kind.value
        : '';
  if (name === '') return undefined;
  const format = compileFormat(raw, { omitEmpty: true });
  return (query, context) => {
    const text = escaped(format.format(context));
    if (action === Action.APPEND_IF_EXISTS_OR_ADD) query.add(name, text);
    else if (action === Action.ADD_IF_ABSENT ? !query.has(name) : action !== Action.OVERWRITE_IF_EXISTS || query.has(name))
      query.set(name, text);
  };
}

/** Only unreserved characters stay (RFC 3986 section 2.3). */
function escaped(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}
