import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { createHealthServer } from './health.ts';
import { type DaemonSpec, parseHostPort, parseOptions } from './index.ts';

const spec: DaemonSpec = {
  name: 'xebec-test',
  summary: 'Nothing.',
  defaultHttpAddr: '127.0.0.1:0',
  options: [{ flags: '--grpc-addr <host:port>', description: 'where', default: '127.0.0.1:15010' }],
  start: async () => ({ close: async () => undefined }),
};

describe('parseOptions', () => {
  it('takes flags over environment over defaults', () => {
    expect(parseOptions(spec, [], {})['grpcAddr']).toBe('127.0.0.1:15010');
    expect(parseOptions(spec, [], { XEBEC_GRPC_ADDR: ':1' })['grpcAddr']).toBe(':1');
    expect(parseOptions(spec, ['--grpc-addr', ':2'], { XEBEC_GRPC_ADDR: ':1' })['grpcAddr']).toBe(':2');
  });
});

describe('parseHostPort', () => {
  it.each([
    ['127.0.0.1:80', { host: '127.0.0.1', port: 80 }],
    ['[::1]:443', { host: '::1', port: 443 }],
    [':9', { host: '0.0.0.0', port: 9 }],
  ])('reads %s', (text, value) => expect(parseHostPort(text)).toEqual(value));
  it.each(['80', 'a:b', '::1:80', 'h:70000', ''])('refuses %j', (text) => expect(parseHostPort(text)).toBeUndefined());
});

describe('health server', () => {
  it('is ready only when every check is fine, and says what is missing', async () => {
    const health = createHealthServer(new Registry());
    let reason: string | undefined = 'no configuration yet';
    health.addReadiness('config', () => reason);
    const first = await health.http.inject('/readyz');
    expect([first.statusCode, first.body]).toEqual([503, 'config: no configuration yet\n']);
    reason = undefined;
    expect((await health.http.inject('/readyz')).statusCode).toBe(200);
    await health.close();
  });
});
