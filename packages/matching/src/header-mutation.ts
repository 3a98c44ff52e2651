import { type HeaderValueOption, HeaderValueOption_HeaderAppendAction } from '@xebec/protos/envoy/config/core/v3/base';
import { compileFormat, type FormatContext, type FormatEnvironment } from '@xebec/telemetry';
import { type HeaderList, header, removeHeader, setHeader } from '@xebec/wire';

/** Where a mutation applies: the request's pseudo-headers may be set too. */
export interface MutableHead {
  headers: HeaderList;
  authority?: string;
  path?: string;
  method?: string;
}

export type HeaderMutation = (head: MutableHead, context: FormatContext) => void;

export interface HeaderMutationSource {
  readonly add: readonly HeaderValueOption[];
  readonly remove: readonly string[];
}

/**
 * Compiles one level's header operations: removals first, then additions in order, values formatted with `%OPERATOR%`s.
 * Undefined when there is nothing to do. Throws XebecError `E_FORMAT` for a bad value.
 */
export function compileHeaderMutation(source: HeaderMutationSource, environment?: FormatEnvironment): HeaderMutation | undefined {
  const removals = source.remove.map((name) => name.toLowerCase());
  const additions = source.add.map((option) => compileAddition(option, environment));
  if (removals.length === 0 && additions.length === 0) return undefined;
  return (head, context) => {
    for (const name of removals) removeHeader(head.headers, name);
    for (const apply of additions) apply(head, context);
  };
}

/** Applies mutations of several levels in the order given. */
export function combineMutations(levels: readonly (HeaderMutation | undefined)[]): HeaderMutation | undefined {
  const present = levels.filter((level) => level !== undefined);
  if (present.length <= 1) return present[0];
  return (head, context) => {
    for (const apply of present) apply(head, context);
  };
}

function compileAddition(option: HeaderValueOption, environment: FormatEnvironment | undefined): HeaderMutation {
  const name = (option.header?.key ?? '').toLowerCase();
  // Envoy's routes read `value` alone, never `raw_value`.
  const source = option.header?.value ?? '';
  const value = compileFormat(source, environment === undefined ? { omitEmpty: true } : { omitEmpty: true, environment });
  const action = appendAction(option);
  return (head, context) => {
    const text = value.format(context);
    if (text === '' && !option.keepEmptyValue) return;
    if (name.charCodeAt(0) === 58 || name === 'host') setPseudoHeader(head, name, text);
    else applyHeader(head.headers, name, text, action);
  };
}

/** One header operation as Envoy's append actions define it. */
export function applyHeader(headers: HeaderList, name: string, value: string, action: HeaderValueOption_HeaderAppendAction): void {
  switch (action) {
    case HeaderValueOption_HeaderAppendAction.APPEND_IF_EXISTS_OR_ADD:
      appendHeader(headers, name, value);
      return;
    case HeaderValueOption_HeaderAppendAction.ADD_IF_ABSENT:
      if (header(headers, name) === undefined) headers.push(name, value);
      return;
    case HeaderValueOption_HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD:
      setHeader(headers, name, value);
      return;
    case HeaderValueOption_HeaderAppendAction.OVERWRITE_IF_EXISTS:
      if (header(headers, name) !== undefined) setHeader(headers, name, value);
      return;
  }
}

/** Headers of which Envoy keeps one field: what is appended joins its value. */
const joined = new Set([
  ...['connection', 'content-length', 'content-type', 'date', 'expect', 'grpc-message', 'grpc-status', 'grpc-timeout', 'keep-alive'],
  ...[
    'location',
    'proxy-connection',
    'proxy-status',
    'server',
    'te',
    'transfer-encoding',
    'upgrade',
    'user-agent',
    'via',
    'x-client-trace-id',
  ],
  ...['x-forwarded-client-cert', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-port', 'x-forwarded-proto', 'x-request-id'],
]);

function appendHeader(headers: HeaderList, name: string, value: string): void {
  const before = joined.has(name) ? header(headers, name) : undefined;
  if (before === undefined) headers.push(name, value);
  else setHeader(headers, name, `${before},${value}`);
}

function appendAction(option: HeaderValueOption): HeaderValueOption_HeaderAppendAction {
  // The old `append` field, where it is set, says the same as two of the actions.
  if (option.append === false) return HeaderValueOption_HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD;
  if (option.append === true) return HeaderValueOption_HeaderAppendAction.APPEND_IF_EXISTS_OR_ADD;
  return option.appendAction;
}

function setPseudoHeader(head: MutableHead, name: string, value: string): void {
  if ((name === ':authority' || name === 'host') && head.authority !== undefined) head.authority = value;
  else if (name === ':path' && head.path !== undefined) head.path = value;
  else if (name === ':method' && head.method !== undefined) head.method = value;
}
