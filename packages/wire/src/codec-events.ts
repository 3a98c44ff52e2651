import type { Random } from '@xebec/core';
import type { HeaderList, RequestHead, ResponseReceiver, ServerConnectionHandler } from './http.ts';

/** For fuzz targets: what a codec told its owner, as lines that do not depend on where reads were cut. */
export class CodecEvents {
  readonly #lines: string[] = [];
  /** Where body bytes that follow each other are joined. */
  #openBody: string | undefined;

  add(stream: number, what: string): void {
    this.#openBody = undefined;
    this.#lines.push(`${stream} ${what}`);
  }
  body(stream: number, data: Buffer, endStream: boolean): void {
    const text = data.toString('latin1');
    const key = `${stream} body `;
    if (this.#openBody === key) this.#lines[this.#lines.length - 1] += text;
    else if (text !== '') this.#lines.push(key + text);
    this.#openBody = text !== '' || this.#openBody === key ? key : undefined;
    if (endStream) this.add(stream, 'end');
  }
  get lines(): readonly string[] {
    return this.#lines;
  }
}

export function headText(head: RequestHead): string {
  const { method, path, authority, scheme, version, headers, upgrade } = head;
  return JSON.stringify([method, path, authority, scheme, version, upgrade ?? '', headers]);
}

/** Answers each complete request with 200 and a short body; `requests` are the streams in their order. */
export function answeringHandler(events: CodecEvents): ServerConnectionHandler {
  let streams = 0;
  return {
    onRequest(stream, head, endStream) {
      const number = streams++;
      events.add(number, `request ${headText(head)}`);
      const answer = (): void => {
        stream.sendHead({ status: 200, headers: ['content-type', 'text/plain'] }, false);
        stream.sendData(Buffer.from('ok'), true);
      };
      if (endStream) {
        events.add(number, 'end');
        answer();
      }
      return {
        onData(data, end) {
          events.body(number, data, end);
          if (end) answer();
        },
        onTrailers(trailers: HeaderList) {
          events.add(number, `trailers ${JSON.stringify(trailers)}`);
          answer();
        },
        onReset: (reason) => events.add(number, `reset ${reason}`),
        onDrain: () => undefined,
      };
    },
    onProtocolError: () => events.add(-1, 'protocol error'),
  };
}

export function recordingReceiver(events: CodecEvents, number: number): ResponseReceiver {
  return {
    onHead(head, endStream) {
      events.add(number, `response ${head.status} ${JSON.stringify(head.headers)}`);
      if (endStream) events.add(number, 'end');
    },
    onData: (data, endStream) => events.body(number, data, endStream),
    onTrailers: (trailers) => events.add(number, `trailers ${JSON.stringify(trailers)}`),
    onReset: (reason) => events.add(number, `reset ${reason}`),
    onDrain: () => undefined,
  };
}

/** The same bytes cut where reads may cut them. */
export function cutIntoReads(input: Buffer, random: Random): Buffer[] {
  const reads: Buffer[] = [];
  for (let at = 0; at < input.length; ) {
    const size = random.next() < 0.3 ? 1 + Math.floor(random.next() * 4) : 1 + Math.floor(random.next() * input.length);
    reads.push(Buffer.from(input.subarray(at, at + size)));
    at += size;
  }
  return reads;
}

/** Throws with the first line in which two records differ. */
export function requireSame(expected: readonly string[], actual: readonly string[], what: string): void {
  const length = Math.max(expected.length, actual.length);
  for (let i = 0; i < length; i++) {
    if (expected[i] !== actual[i]) throw new Error(`${what}: line ${i} is ${actual[i] ?? 'missing'}, not ${expected[i] ?? 'missing'}`);
  }
}
