import type { CloudEvent } from './event.ts';

export type ContentMode = 'STRUCTURED' | 'BINARY' | 'BATCH';

/** Header and body of one request. */
export interface HttpMessage {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** What a header must not hold as it is: all but printable ASCII, and space, quote and percent (HTTP binding 3.1.3.2). */
const ESCAPED = /[^\x21\x23\x24\x26-\x7e]/gu;

function headerValue(text: string): string {
  return text.replace(ESCAPED, (character) =>
    [...Buffer.from(character)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  );
}

/** Events in the HTTP protocol binding: one message for all in batched mode, else one for each. */
export function toMessages(events: readonly CloudEvent[], mode: ContentMode): readonly HttpMessage[] {
  if (mode === 'BATCH') {
    return [{ headers: { 'content-type': 'application/cloudevents-batch+json; charset=utf-8' }, body: JSON.stringify(events) }];
  }
  return events.map((event) => {
    if (mode === 'STRUCTURED') {
      return { headers: { 'content-type': 'application/cloudevents+json; charset=utf-8' }, body: JSON.stringify(event) };
    }
    const { data, datacontenttype, ...attributes } = event;
    const headers = Object.entries(attributes).map(([name, value]) => [`ce-${name}`, headerValue(value)]);
    return { headers: { ...Object.fromEntries(headers), 'content-type': datacontenttype }, body: JSON.stringify(data) };
  });
}
