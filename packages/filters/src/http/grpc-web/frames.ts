import type { HeaderList } from '@xebec/wire';

/** Marks a frame of trailers (gRPC-Web protocol, HTTP/1.1 wire format). */
const TRAILERS_FLAG = 0x80;

/** Trailers as the last frame of the body. */
export function trailersFrame(trailers: HeaderList): Buffer {
  let text = '';
  for (let i = 0; i < trailers.length; i += 2) text += `${trailers[i]}:${trailers[i + 1]}\r\n`;
  const payload = Buffer.from(text, 'latin1');
  const frame = Buffer.alloc(5 + payload.length);
  frame[0] = TRAILERS_FLAG;
  frame.writeUInt32BE(payload.length, 1);
  payload.copy(frame, 5);
  return frame;
}

/** Decodes base64 that comes in pieces of any length. */
export class Base64Reader {
  #rest = '';

  /** The bytes that are complete; undefined when the text is not base64. */
  push(data: Buffer): Buffer | undefined {
    const text = this.#rest + data.toString('latin1');
    const whole = text.length - (text.length % 4);
    this.#rest = text.slice(whole);
    return decode(text.slice(0, whole));
  }
  get complete(): boolean {
    return this.#rest === '';
  }
}

/** Padding may stand inside: each piece that a client wrote may be padded by itself. */
function decode(text: string): Buffer | undefined {
  if (text === '') return Buffer.alloc(0);
  if (!/^[A-Za-z0-9+/=]*$/.test(text)) return undefined;
  const parts: Buffer[] = [];
  let start = 0;
  for (let i = 0; i < text.length; i += 4) {
    if (text[i + 3] !== '=') continue;
    parts.push(Buffer.from(text.slice(start, i + 4), 'base64'));
    start = i + 4;
  }
  parts.push(Buffer.from(text.slice(start), 'base64'));
  return Buffer.concat(parts);
}

/** Cuts a body into whole gRPC frames; what is not complete stays. `maxBytes` bounds one frame. */
export class FrameCutter {
  #rest: Buffer = Buffer.alloc(0);
  readonly #maxBytes: number;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }
  /** Undefined when a frame is larger than allowed. */
  push(data: Buffer): Buffer[] | undefined {
    let rest = this.#rest.length === 0 ? data : Buffer.concat([this.#rest, data]);
    const frames: Buffer[] = [];
    while (rest.length >= 5) {
      const size = 5 + rest.readUInt32BE(1);
      if (size > this.#maxBytes) return undefined;
      if (rest.length < size) break;
      frames.push(rest.subarray(0, size));
      rest = rest.subarray(size);
    }
    this.#rest = rest;
    return frames;
  }
}
