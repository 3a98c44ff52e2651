import { ConfigSchema } from '@xebec/protos/envoy/extensions/filters/http/set_metadata/v3/set_metadata';
import { describe, expect, it } from 'vitest';
import { compileTest, TestStream, testContext } from '../../test-harness.ts';
import { setMetadataDefinition } from './config.ts';

function metadataAfter(config: Parameters<typeof compileTest>[2]) {
  const { context, clock, statsText } = testContext();
  const stream = new TestStream(compileTest(setMetadataDefinition, ConfigSchema, config, context), clock);
  stream.head();
  return { metadata: Object.fromEntries(stream.info.dynamicMetadata), stats: statsText() };
}

describe('envoy.filters.http.set_metadata', () => {
  it('sets values, and keeps what is there unless told otherwise', () => {
    const { metadata, stats } = metadataAfter({
      metadata: [
        { metadataNamespace: 'a', value: { x: 1, list: [1] } },
        { metadataNamespace: 'a', value: { x: 2 } },
        { metadataNamespace: 'a', value: { y: 3, list: [2] }, allowOverwrite: true },
      ],
    });
    expect(metadata).toEqual({ a: { x: 1, list: [1, 2], y: 3 } });
    expect(stats).toBe('http.test.set_metadata.overwrite_denied: 1\n');
  });
  it('takes the old form first', () => {
    expect(metadataAfter({ metadataNamespace: 'old', value: { x: { y: true } } }).metadata).toEqual({ old: { x: { y: true } } });
  });
  it('refuses typed values', () => {
    const typedValue = { '@type': 'type.googleapis.com/google.protobuf.StringValue', value: 'x' };
    expect(() => metadataAfter({ metadata: [{ metadataNamespace: 'a', typedValue }] })).toThrow('typed_value is not supported');
  });
});
