import { describe, expect, it } from 'vitest';
import { MessageCounter } from './message-counter.ts';

const message = (size: number) => Buffer.concat([Buffer.from([0, 0, 0, size >> 8, size & 255]), Buffer.alloc(size)]);

describe('MessageCounter', () => {
  it.each([1, 2, 3, 7, 1000])('counts messages cut into pieces of %i bytes', (piece) => {
    const body = Buffer.concat([message(0), message(300), message(5)]);
    const counter = new MessageCounter();
    let count = 0;
    for (let i = 0; i < body.length; i += piece) count += counter.push(body.subarray(i, i + piece));
    expect(count).toBe(3);
  });
});
