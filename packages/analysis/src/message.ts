import type { SourceReference } from '@xebec/schemas';
import { type FormatArgument, formatGo } from './go-format.ts';
import { type Level, type MessageCode, messageType } from './message-types.ts';

/** The object a message is about. */
export interface Subject {
  readonly kind: string;
  /** Empty for cluster-scoped objects. */
  readonly namespace: string;
  readonly name: string;
  readonly source?: SourceReference;
  /** Cluster it was read from, where several are analysed together. */
  readonly cluster?: string;
}

export interface Message {
  readonly code: MessageCode;
  readonly subject: Subject;
  /** Field it points at, such as `spec.http[0].route[0].destination.host`; empty: the whole object. */
  readonly path: string;
  readonly text: string;
}

const ISTIO_PAGES = 'https://istio.io/v1.30/docs/reference/config/analysis';
const OWN_PAGE = 'docs/reference/analysis.md';

export function createMessage(code: MessageCode, subject: Subject, values: readonly FormatArgument[], path = ''): Message {
  return { code, subject, path, text: formatGo(messageType(code).template, values) };
}

export function levelOf(message: Message): Level {
  return messageType(message.code).level;
}

/** `VirtualService default/reviews`, or `Namespace default` for cluster-scoped objects. */
export function originOf({ subject: { kind, namespace, name } }: Message): string {
  return `${kind} ${namespace === '' ? name : `${namespace}/${name}`}`;
}

/** `reviews.yaml:12`: the line of the field, of its nearest parent that was written, else of the object. Undefined for live objects. */
export function referenceOf(message: Message): string | undefined {
  const { source } = message.subject;
  return source === undefined ? undefined : `${source.file}:${lineOf(message, source)}`;
}

/** The line, from 1, that {@link referenceOf} names. */
export function lineOf(message: Message, source: SourceReference): number {
  for (let path = message.path; path !== ''; path = parentOf(path)) {
    const line = source.fieldLines?.[path];
    if (line !== undefined) return line;
  }
  return source.line;
}

function parentOf(path: string): string {
  const cut = Math.max(path.lastIndexOf('.'), path.lastIndexOf('['));
  return cut < 0 ? '' : path.slice(0, cut);
}

/** The page about a code, as istioctl gives it; for codes of our own, the page of this project. */
export function documentationUrl(code: MessageCode): string {
  const lower = code.toLowerCase();
  return code.startsWith('XB') ? `${OWN_PAGE}#${lower}` : `${ISTIO_PAGES}/${lower}/?ref=istioctl-analyze`;
}

/** `Error [IST0101] (VirtualService default/reviews vs.yaml:12) Referenced host not found: "reviewsx"`. */
export function formatMessage(message: Message): string {
  const reference = referenceOf(message);
  const { cluster } = message.subject;
  const where = `(${originOf(message)}${reference === undefined ? '' : ` ${reference}`})`;
  return `${levelOf(message)} [${message.code}]${cluster === undefined ? '' : ` [cluster-${cluster}]`} ${where} ${message.text}`;
}
