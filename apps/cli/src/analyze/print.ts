import { documentationUrl, formatMessage, levelOf, type Message, messageType, originOf, referenceOf, toSarif } from '@xebec/analysis';
import { stringify } from 'yaml';
import type { Format } from './options.ts';

const RESET = '\x1b[0m';
const COLORS = { Error: '\x1b[1;31m', Warning: '\x1b[33m', Info: '' } as const;

/** istioctl's fields in its order; `name` and `path` are ours. */
function toFields(message: Message): Record<string, unknown> {
  const reference = referenceOf(message);
  const { cluster } = message.subject;
  return {
    ...(cluster === undefined ? {} : { cluster }),
    code: message.code,
    documentationUrl: documentationUrl(message.code),
    level: levelOf(message),
    message: message.text,
    name: messageType(message.code).name,
    origin: originOf(message),
    ...(message.path === '' ? {} : { path: message.path }),
    ...(reference === undefined ? {} : { reference }),
  };
}

export interface PrintOptions {
  readonly color: boolean;
  /** Version of this program, for SARIF. */
  readonly version: string;
}

/** Messages as text, ready to be written; empty where there are none and the format has nothing to say of that. */
export function printMessages(messages: readonly Message[], format: Format, options: PrintOptions): string {
  switch (format) {
    case 'json':
      return `${JSON.stringify(messages.map(toFields), null, '\t')}\n`;
    case 'yaml':
      return stringify(messages.map(toFields));
    case 'sarif':
      return `${JSON.stringify(toSarif(messages, options.version), null, 2)}\n`;
    case 'log':
      return messages.map((message) => `${options.color ? colored(message) : formatMessage(message)}\n`).join('');
  }
}

function colored(message: Message): string {
  const level = levelOf(message);
  return `${COLORS[level]}${level}${RESET}${formatMessage(message).slice(level.length)}`;
}
