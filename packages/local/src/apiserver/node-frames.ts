/** Channels of an exec connection to the node agent, the same as of Kubernetes' `v5.channel.k8s.io`. */
export const CHANNEL = { stdin: 0, stdout: 1, stderr: 2, status: 3, resize: 4 } as const;

const MAX_FRAME = 16 * 1024 * 1024;

/** `[u8 channel][u32be length][payload]`. */
export function encodeFrame(channel: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head[0] = channel;
  head.writeUInt32BE(payload.length, 1);
  return Buffer.concat([head, payload]);
}

/** Cuts a byte stream into frames; returns false when the peer sends nonsense. */
export class FrameReader {
  #pending: Buffer = Buffer.alloc(0);
  readonly #onFrame: (channel: number, payload: Buffer) => void;

  constructor(onFrame: (channel: number, payload: Buffer) => void) {
    this.#onFrame = onFrame;
  }

  receive(bytes: Buffer): boolean {
    this.#pending = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]);
    while (this.#pending.length >= 5) {
      const length = this.#pending.readUInt32BE(1);
      if (length > MAX_FRAME) return false;
      if (this.#pending.length < 5 + length) break;
      const payload = this.#pending.subarray(5, 5 + length);
      const channel = this.#pending[0] ?? 0;
      this.#pending = this.#pending.subarray(5 + length);
      this.#onFrame(channel, payload);
    }
    return true;
  }
}
