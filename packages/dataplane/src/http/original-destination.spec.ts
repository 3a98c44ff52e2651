import { describe, expect, it } from 'vitest';
import { originalDestination, proxiedDestination } from './original-destination.ts';

const proxy = { localAddress: '127.21.0.9', localPort: 15_080 };

describe('proxiedDestination', () => {
  it.each([
    ['example.com', { address: 'example.com', port: 80 }],
    ['example.com:8443', { address: 'example.com', port: 8443 }],
    ['127.0.0.1:9999', { address: '127.0.0.1', port: 9999 }],
    ['[::1]:81', { address: '::1', port: 81 }],
    ['127.21.0.9:80', { address: '127.21.0.9', port: 80 }],
  ])('reads %s', (authority, expected) => expect(proxiedDestination({ authority }, proxy)).toEqual(expected));
  it.each(['127.21.0.9:15080', '', ':80', 'host:0', 'host:70000', 'user@host', 'a b', '::1:80'])('refuses %j', (authority) =>
    expect(proxiedDestination({ authority }, proxy)).toBeUndefined(),
  );
});

describe('originalDestination', () => {
  it('is where the connection was going', () => expect(originalDestination(proxy)).toEqual({ address: '127.21.0.9', port: 15_080 }));
});
