import { fieldNameOf, fieldRole, safeFieldValue } from '../field-name.ts';

/** What `fieldLines` found on its way; valid until its next call. */
export const seenFields: {
  /** The announced length as text, or undefined when there is none that can be trusted. */
  contentLength: string | undefined;
  connection: string | undefined;
  upgrade: string | undefined;
} = { contentLength: undefined, connection: undefined, upgrade: undefined };

const length = /^[0-9]{1,15}$/;

/** Header lines of `headers` without those that belong to the connection or frame the body: the caller adds its own. */
export function fieldLines(headers: readonly string[], formatName: ((name: string) => string) | undefined): string {
  let text = '';
  seenFields.contentLength = undefined;
  seenFields.connection = undefined;
  seenFields.upgrade = undefined;
  for (let i = 0; i < headers.length; i += 2) {
    const field = fieldNameOf(headers[i] as string);
    if (field === undefined) continue;
    const value = headers[i + 1] as string;
    switch (field.role) {
      case fieldRole.plain:
      case fieldRole.expect:
        text += (formatName === undefined ? field.line : `${formatName(field.lower)}: `) + safeFieldValue(value);
        text += '\r\n';
        continue;
      case fieldRole.contentLength:
        // The first one counts, also when it cannot be trusted.
        if (seenFields.contentLength === undefined) seenFields.contentLength = length.test(value) ? value : '';
        continue;
      case fieldRole.connection:
        seenFields.connection ??= value;
        continue;
      case fieldRole.upgrade:
        seenFields.upgrade ??= value;
    }
  }
  if (seenFields.contentLength === '') seenFields.contentLength = undefined;
  return text;
}
