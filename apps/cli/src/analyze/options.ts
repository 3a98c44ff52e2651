import { type Level, messageTypes, type Suppression } from '@xebec/analysis';
import { CommandFailure, EXIT } from '../exit.ts';

export const FORMATS = ['log', 'json', 'yaml', 'sarif'] as const;
export type Format = (typeof FORMATS)[number];

export function parseFormat(text: string): Format {
  const format = FORMATS.find((candidate) => candidate === text.toLowerCase());
  if (format === undefined) throw new CommandFailure(`-o ${text} is not an output format; use one of ${FORMATS.join(', ')}`, EXIT.usage);
  return format;
}

/** Higher is worse. */
export const SEVERITY: Readonly<Record<Level, number>> = { Error: 2, Warning: 1, Info: 0 };

export function parseLevel(flag: string, text: string): number {
  const level = (['Error', 'Warning', 'Info'] as const).find((candidate) => candidate.toLowerCase() === text.toLowerCase());
  if (level === undefined) throw new CommandFailure(`${flag} ${text} is none of Info, Warning, Error`, EXIT.usage);
  return SEVERITY[level];
}

/** Reads `CODE=RESOURCE`; warns on stderr about codes nobody gives. */
export function parseSuppression(text: string): Suppression {
  const [code = '', resource, ...rest] = text.split('=');
  if (resource === undefined || rest.length > 0)
    throw new CommandFailure(`--suppress ${text} is not of the form CODE=RESOURCE, such as "IST0103=Pod default/*"`, EXIT.usage);
  if (!(code in messageTypes))
    console.error(`Warning: Supplied message code '${code}' is an unknown message code and will not have any effect.`);
  return { code, resource };
}
