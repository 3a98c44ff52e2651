import { describe, expect, it } from 'vitest';
import { Base64Reader, FrameCutter, trailersFrame } from './frames.ts';

describe('gRPC-Web frames', () => {
  it('writes trailers as a frame with the flag of trailers', () => {
    const frame = trailersFrame(['grpc-status', '0', 'grpc-message', 'fine']);
    expect(frame[0]).toBe(0x80);
    expect(frame.readUInt32BE(1)).toBe(frame.length - 5);
    expect(frame.subarray(5).toString()).toBe('grpc-status:0\r\ngrpc-message:fine\r\n');
  });
  it.each([1, 2, 3, 4, 5, 100])('reads base64 in pieces of %i, padded or not', (size) => {
    const bytes = Buffer.from('a message that is long enough');
    const text = Buffer.from(bytes.subarray(0, 10).toString('base64') + bytes.subarray(10).toString('base64'));
    const reader = new Base64Reader();
    const out: Buffer[] = [];
    for (let i = 0; i < text.length; i += size) out.push(reader.push(text.subarray(i, i + size)) ?? Buffer.from('bad'));
    expect(Buffer.concat(out)).toEqual(bytes);
    expect(reader.complete).toBe(true);
  });
  it('refuses what is not base64, and knows when a part is missing', () => {
    expect(new Base64Reader().push(Buffer.from('ab!c'))).toBeUndefined();
    const reader = new Base64Reader();
    reader.push(Buffer.from('abcde'));
    expect(reader.complete).toBe(false);
  });
  it('cuts whole frames and bounds them', () => {
    const frame = Buffer.from([0, 0, 0, 0, 2, 7, 8]);
    const cutter = new FrameCutter(16);
    expect(cutter.push(Buffer.concat([frame, frame.subarray(0, 6)]))).toEqual([frame]);
    expect(cutter.push(frame.subarray(6))).toEqual([frame]);
    expect(new FrameCutter(16).push(Buffer.from([0, 0, 0, 1, 0]))).toBeUndefined();
  });
});
