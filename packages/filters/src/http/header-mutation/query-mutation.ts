import {
  KeyValueAppend_KeyValueAppendAction as Action,
  type KeyValueAppend,
  type KeyValueMutation,
} from '@xebec/protos/envoy/config/core/v3/base';
import { compileFormat, type FormatContext } from '@xebec/telemetry';

/** Name and value pairs of a query, decoded, in order. */
type Parameters = [name: string, value: string][];
type Operation = (parameters: Parameters, context: FormatContext) => void;

/** Changes the query of a path. */
export type QueryMutation = (path: string, context: FormatContext) => string;

/** Compiles query parameter mutations; undefined when there are none. */
export function compileQueryMutation(list: readonly KeyValueMutation[]): QueryMutation | undefined {
  const operations: Operation[] = [];
  for (const { append, remove } of list) {
    if (remove !== '') operations.push((parameters) => removeAll(parameters, remove));
    const operation = append === undefined ? undefined : compileAppend(append);
    if (operation !== undefined) operations.push(operation);
  }
  if (operations.length === 0) return undefined;
  return (path, context) => {
    const at = path.indexOf('?');
    const parameters: Parameters = at === -1 ? [] : [...new URLSearchParams(path.slice(at + 1))];
    for (const operation of operations) operation(parameters, context);
    const query = parameters.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join('&');
    return `${at === -1 ? path : path.slice(0, at)}${query === '' ? '' : `?${query}`}`;
  };
}

function compileAppend({ entry, record, action }: KeyValueAppend): Operation | undefined {
  const name = record?.key ?? entry?.key ?? '';
  const value = record?.value;
  const raw = value === undefined ? Buffer.from(entry?.value ?? new Uint8Array()).toString() : typeof value === 'string' ? value : '';
  if (name === '') return undefined;
  const format = compileFormat(raw, { omitEmpty: true });
  return (parameters, context) => {
    const text = format.format(context);
    const present = parameters.some(([known]) => known === name);
    switch (action) {
      case Action.APPEND_IF_EXISTS_OR_ADD:
        parameters.push([name, text]);
        return;
      case Action.ADD_IF_ABSENT:
        if (!present) parameters.push([name, text]);
        return;
      case Action.OVERWRITE_IF_EXISTS:
        if (present) overwrite(parameters, name, text);
        return;
      default:
        overwrite(parameters, name, text);
    }
  };
}

function overwrite(parameters: Parameters, name: string, value: string): void {
  removeAll(parameters, name);
  parameters.push([name, value]);
}

function removeAll(parameters: Parameters, name: string): void {
  for (let i = parameters.length - 1; i >= 0; i--) if (parameters[i]?.[0] === name) parameters.splice(i, 1);
}
