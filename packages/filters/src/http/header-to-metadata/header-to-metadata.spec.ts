import { ConfigSchema } from '@xebec/protos/envoy/extensions/filters/http/header_to_metadata/v3/header_to_metadata';
import { describe, expect, it } from 'vitest';
import { compileTest, TestStream, testContext } from '../../test-harness.ts';
import { headerToMetadataDefinition } from './config.ts';

type Config = Parameters<typeof compileTest>[2];

function after(config: Config, headers: string[], response?: string[]) {
  const { context, clock } = testContext();
  const stream = new TestStream(compileTest(headerToMetadataDefinition, ConfigSchema, config, context), clock, { request: { headers } });
  stream.head();
  if (response !== undefined) stream.response(200, response);
  return { metadata: Object.fromEntries(stream.info.dynamicMetadata), headers: stream.request.headers };
}
const own = 'envoy.filters.http.header_to_metadata';
const rule = (present: Config, more = {}): Config => ({ requestRules: [{ header: 'X-Version', onHeaderPresent: present, ...more }] });

describe('envoy.filters.http.header_to_metadata', () => {
  it('copies, types and decodes values', () => {
    expect(after(rule({ key: 'v' }), ['x-version', '2', 'x-version', '3']).metadata).toEqual({ [own]: { v: '2,3' } });
    expect(after(rule({ key: 'v', type: 'NUMBER', metadataNamespace: 'n' }), ['x-version', '2']).metadata).toEqual({ n: { v: 2 } });
    expect(after(rule({ key: 'v', type: 'NUMBER' }), ['x-version', 'two']).metadata).toEqual({});
    expect(after(rule({ key: 'v', encode: 'BASE64' }), ['x-version', 'YWJj']).metadata).toEqual({ [own]: { v: 'abc' } });
    expect(after(rule({ key: 'v', type: 'PROTOBUF_VALUE' }), ['x-version', '{"a": [1]}']).metadata).toEqual({ [own]: { v: { a: [1] } } });
  });
  it('rewrites by expression, and takes the header away when told', () => {
    const config = rule(
      { key: 'major', regexValueRewrite: { pattern: { regex: '^(\\d+)\\..*$' }, substitution: '\\1' } },
      { remove: true },
    );
    expect(after(config, ['x-version', '4.2', 'x-b', 'c'])).toEqual({ metadata: { [own]: { major: '4' } }, headers: ['x-b', 'c'] });
  });
  it('has a value for what is missing, reads cookies, and looks at responses', () => {
    const missing = { requestRules: [{ header: 'a', onHeaderMissing: { key: 'a', value: 'none' } }] };
    expect(after(missing, []).metadata).toEqual({ [own]: { a: 'none' } });
    const cookie = { requestRules: [{ cookie: 'c', onHeaderPresent: { key: 'c' } }] };
    expect(after(cookie, ['cookie', 'b=1; c=2']).metadata).toEqual({ [own]: { c: '2' } });
    const response = { responseRules: [{ header: 'x', onHeaderPresent: { key: 'x' } }] };
    expect(after(response, [], ['x', 'y']).metadata).toEqual({ [own]: { x: 'y' } });
  });
  it.each<[string, Config]>([
    ['set header or cookie', { requestRules: [{ onHeaderPresent: { key: 'k' } }] }],
    ['set on_header_present or on_header_missing', { requestRules: [{ header: 'x' }] }],
    ['on_header_missing rule with an empty value', { requestRules: [{ header: 'x', onHeaderMissing: { key: 'k' } }] }],
    [
      'both value and regex_value_rewrite',
      rule({ key: 'k', value: 'v', regexValueRewrite: { pattern: { regex: 'a' }, substitution: 'b' } }),
    ],
  ])('refuses a rule: %s', (text, config) => expect(() => after(config, [])).toThrow(text));
});
