import { ConfigSchema } from '@xebec/protos/envoy/extensions/filters/http/set_filter_state/v3/set_filter_state';
import { describe, expect, it } from 'vitest';
import { compileTest, TestStream, testContext } from '../../test-harness.ts';
import { setFilterStateDefinition } from './config.ts';

type Config = Parameters<typeof compileTest>[2];

function stateAfter(...values: Config[]) {
  const { context, clock } = testContext();
  const config: Config = { onRequestHeaders: values };
  const stream = new TestStream(compileTest(setFilterStateDefinition, ConfigSchema, config, context), clock, {
    request: { headers: ['x-user', 'ann'] },
  });
  stream.head();
  return Object.fromEntries(stream.info.filterState);
}
const text = (inlineString: string): Config => ({ textFormatSource: { inlineString } });

describe('envoy.filters.http.set_filter_state', () => {
  it('formats values of the request', () => {
    const value = { objectKey: 'my.user', factoryKey: 'envoy.string', formatString: text('user %REQ(x-user)%') };
    expect(stateAfter(value)).toEqual({ 'my.user': 'user ann' });
  });
  it('leaves empty values out when told', () => {
    const value = {
      objectKey: 'envoy.string',
      skipIfEmpty: true,
      formatString: { ...Object(text('%REQ(x-none)%')), omitEmptyValues: true },
    };
    expect(stateAfter(value)).toEqual({});
  });
  it.each<[string, Config]>([
    ['object_key is missing', { formatString: text('x') }],
    ["'my.key' does not have an object factory", { objectKey: 'my.key', formatString: text('x') }],
    ['needs format_string with an inline text format', { objectKey: 'k', factoryKey: 'envoy.string', formatString: { jsonFormat: {} } }],
  ])('refuses: %s', (message, value) => expect(() => stateAfter(value)).toThrow(message));
});
