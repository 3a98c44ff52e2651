import { CsrfPolicySchema } from '@xebec/protos/envoy/extensions/filters/http/csrf/v3/csrf';
import { describe, expect, it } from 'vitest';
import { compileTest, configBytes, TestStream, testContext } from '../../test-harness.ts';
import { csrfDefinition } from './config.ts';

const always = { defaultValue: { numerator: 100 } };

function post(
  config: Parameters<typeof configBytes>[1],
  headers: string[],
  options: { runtime?: (key: string) => number; perRoute?: unknown } = {},
) {
  const { runtime } = options;
  const { context, clock, statsText } = testContext(runtime === undefined ? {} : { runtime });
  const factory = compileTest(csrfDefinition, CsrfPolicySchema, config ?? {}, context);
  const stream = new TestStream(factory, clock, {
    request: { method: 'POST', authority: 'shop.example', headers },
    ...(options.perRoute === undefined ? {} : { perRoute: options.perRoute }),
  });
  return { status: stream.head(), replies: stream.replies, stats: statsText() };
}

describe('envoy.filters.http.csrf', () => {
  it.each([
    ['the own origin', ['origin', 'http://shop.example'], 'continue'],
    ['the own referer', ['referer', 'http://shop.example/cart?x=1'], 'continue'],
    ['another origin', ['origin', 'http://evil.example'], 'stop'],
    ['another origin before the own referer', ['origin', 'http://evil.example', 'referer', 'http://shop.example/'], 'stop'],
    ['no origin', [], 'stop'],
    ['an opaque origin', ['origin', 'null'], 'stop'],
  ])('decides about %s', (_, headers, status) => {
    expect(post({ filterEnabled: always }, headers).status).toBe(status);
  });
  it('lets additional origins through', () => {
    const config = { filterEnabled: always, additionalOrigins: [{ suffix: '.partner.example' }] };
    expect(post(config, ['origin', 'https://a.partner.example']).status).toBe('continue');
  });
  it('only counts in shadow', () => {
    const { status, stats } = post({ filterEnabled: { defaultValue: {} }, shadowEnabled: always }, ['origin', 'http://evil.example']);
    expect(status).toBe('continue');
    expect(stats).toBe('http.test.csrf.request_invalid: 1\n');
  });
  it('answers 403 with details', () => {
    const { replies } = post({ filterEnabled: always }, ['origin', 'http://evil.example']);
    expect(replies).toEqual([{ status: 403, body: 'Invalid origin', details: 'csrf_origin_mismatch' }]);
  });
  it('follows the runtime, and what a route says', () => {
    const off = { filterEnabled: { ...always, runtimeKey: 'csrf' } };
    expect(post(off, [], { runtime: () => 0 }).status).toBe('continue');
    const perRoute = csrfDefinition.compilePerRoute?.(configBytes(CsrfPolicySchema, { filterEnabled: { defaultValue: {} } }), '');
    expect(post({ filterEnabled: always }, [], { perRoute }).status).toBe('continue');
  });
  it('leaves requests alone that change nothing', () => {
    const { context, clock } = testContext();
    const factory = compileTest(csrfDefinition, CsrfPolicySchema, { filterEnabled: always }, context);
    expect(new TestStream(factory, clock, { request: { method: 'GET', headers: ['origin', 'http://evil.example'] } }).head()).toBe(
      'continue',
    );
  });
});
