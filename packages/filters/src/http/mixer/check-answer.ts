import { fromBinary } from '@bufbuild/protobuf';
import {
  type CheckResponse,
  type CheckResponse_PreconditionResult,
  CheckResponseSchema,
  type HeaderOperation,
  HeaderOperation_Operation as Operation,
} from '@xebec/protos/istio/mixer/v1/mixer';
import { type HeaderList, removeHeader, setHeader } from '@xebec/wire';
import { httpStatusOf, isRpcCode, rpcCodeName } from './rpc-status.ts';

/** A change of headers that is fit to be made. */
export interface HeaderChange {
  readonly name: string;
  readonly value: string;
  readonly operation: Operation;
}

/** What becomes of a call. */
export interface CheckAnswer {
  /** google.rpc.Code; 0: it may go on. */
  readonly code: number;
  readonly message: string;
  readonly requestHeaders: readonly HeaderChange[];
  readonly responseHeaders: readonly HeaderChange[];
  /** HTTP status that Mixer itself answers with; 0: none. */
  readonly directStatus: number;
  readonly directBody: string;
}

export const allowed: CheckAnswer = {
  code: 0,
  message: '',
  requestHeaders: [],
  responseHeaders: [],
  directStatus: 0,
  directBody: '',
};

export function denied(code: number, message: string): CheckAnswer {
  return { ...allowed, code, message };
}

const INTERNAL = 13;

/** Reads a CheckResponse; throws on what is none: bytes of something else, no verdict, a verdict that does not exist. */
export function readCheckResponse(bytes: Uint8Array): CheckResponse & { readonly precondition: CheckResponse_PreconditionResult } {
  const response = fromBinary(CheckResponseSchema, bytes);
  const { precondition } = response;
  if (precondition === undefined) throw new Error('the answer has no precondition');
  const code = precondition.status?.code ?? 0;
  if (!isRpcCode(code)) throw new Error(`the answer has status ${code}, which is none of google.rpc.Code`);
  const direct = precondition.routeDirective?.directResponseCode ?? 0;
  if (direct !== 0 && (direct < 200 || direct > 599))
    throw new Error(`the answer has the direct response ${direct}, which is no HTTP status`);
  return { ...response, precondition };
}

/** `failOpen`: a Mixer that says INTERNAL failed itself, and lets pass (release 1.4). */
export function answerOf(precondition: CheckResponse_PreconditionResult, failOpen: boolean): CheckAnswer {
  const { status, routeDirective: directive } = precondition;
  const code = status?.code === INTERNAL && failOpen ? 0 : (status?.code ?? 0);
  if (directive === undefined) return code === 0 ? allowed : denied(code, status?.message ?? '');
  return {
    code,
    message: code === 0 ? '' : (status?.message ?? ''),
    requestHeaders: fitChanges(directive.requestHeaderOperations),
    responseHeaders: fitChanges(directive.responseHeaderOperations),
    directStatus: directive.directResponseCode,
    directBody: directive.directResponseBody,
  };
}

/** Values come from expressions over what callers sent: nothing of them may end a header line. */
function fitChanges(operations: readonly HeaderOperation[]): HeaderChange[] {
  return operations.flatMap(({ name, value, operation }) => {
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name) || /[^\P{Cc}\t]/u.test(value)) return [];
    return [{ name: name.toLowerCase(), value, operation }];
  });
}

export function applyChanges(headers: HeaderList, changes: readonly HeaderChange[]): void {
  for (const { name, value, operation } of changes) {
    if (operation === Operation.REMOVE) removeHeader(headers, name);
    else if (operation === Operation.APPEND) headers.push(name, value);
    else if (operation === Operation.REPLACE) setHeader(headers, name, value);
  }
}

/** The status and body of the reply to a call that may not go on. */
export function replyTo({ code, message, directStatus, directBody }: CheckAnswer): { readonly status: number; readonly body: string } {
  if (directStatus !== 0) return { status: directStatus, body: directBody };
  return { status: httpStatusOf(code), body: message === '' ? rpcCodeName(code) : `${rpcCodeName(code)}:${message}` };
}
