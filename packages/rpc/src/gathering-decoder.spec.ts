import { expect, it } from 'vitest';
import { GatheringDecoder, giveBack } from './gathering-decoder.ts';

function message(length: number, fill: number): Buffer {
  const bytes = Buffer.alloc(5 + length, fill);
  bytes[0] = 0;
  bytes.writeUInt32BE(length, 1);
  return bytes;
}

it.each([1, 2, 3, 4, 5, 6, 7, 100, 16_384])('gives the same messages in pieces of %i bytes', (size) => {
  const sent = [message(0, 0), message(3, 1), message(40_000, 2), message(1, 3), message(1_200_000, 4), message(0, 5)];
  const stream = Buffer.concat(size < 7 ? sent.filter(({ length }) => length < 50_000) : sent);
  const decoder = new GatheringDecoder(-1);
  const got: Buffer[] = [];
  for (let offset = 0; offset < stream.length; offset += size)
    for (const one of decoder.write(stream.subarray(offset, offset + size))) got.push(Buffer.from(one));
  expect(Buffer.concat(got).equals(stream)).toBe(true);
  expect(got.map(({ length }) => length)).toEqual(sent.map(({ length }) => length).filter((length) => size >= 7 || length < 50_000));
});

it('uses memory again that was given back, and never while somebody has it', () => {
  const decoder = new GatheringDecoder(-1);
  const receive = (bytes: Buffer) => {
    expect(decoder.write(bytes.subarray(0, 1_000))).toEqual([]);
    return decoder.write(bytes.subarray(1_000))[0] ?? Buffer.alloc(0);
  };
  const first = receive(message(50_000, 1));
  const second = receive(message(50_000, 2));
  expect(second.buffer).not.toBe(first.buffer);
  expect(first[5]).toBe(1);
  giveBack(first.subarray(5));
  giveBack(first);
  const third = receive(message(49_000, 3));
  expect(third.buffer).toBe(first.buffer);
  const fourth = receive(message(49_000, 4));
  expect(fourth.buffer).not.toBe(third.buffer);
  expect([second[5], third[5], third.length]).toEqual([2, 3, 49_005]);
  giveBack(message(10, 1));
});

it('refuses a message that is too long when it sees its head', () => {
  expect(() => new GatheringDecoder(10).write(message(11, 1).subarray(0, 6))).toThrow('larger than max (11 vs 10)');
  expect(() => new GatheringDecoder(10).write(message(11, 1))).toThrow('larger than max');
  const decoder = new GatheringDecoder(10);
  expect(decoder.write(message(10, 1).subarray(0, 3))).toEqual([]);
  expect(() => decoder.write(message(11, 1).subarray(3))).toThrow('larger than max');
});
