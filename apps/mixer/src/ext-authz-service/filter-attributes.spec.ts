import { create } from '@bufbuild/protobuf';
import { Metadata } from '@grpc/grpc-js';
import { AttributeContextSchema } from '@xebec/protos/envoy/service/auth/v3/attribute_context';
import { describe, expect, it } from 'vitest';
import { attributesOf } from './attributes.ts';
import { FilterAttributesReader } from './filter-attributes.ts';

const read = (text: string | undefined) => {
  const metadata = new Metadata();
  if (text !== undefined) metadata.set('x-mixer-attributes', text);
  return new FilterAttributesReader().read(metadata);
};

describe('what a filter says with all its checks', () => {
  it('becomes attributes of their types, before what the route says', () => {
    const ofFilter = read(
      '{"destination.labels":{"app":"shop"},"destination.port":"80","destination.service.host":"a","connection.mtls":7}',
    );
    const context = create(AttributeContextSchema, { contextExtensions: { 'destination.service.host': 'b' } });
    const bag = attributesOf(context, ofFilter);
    expect(bag.get('destination.labels')).toEqual({ form: 'stringMap', value: new Map([['app', 'shop']]) });
    expect(bag.get('destination.port')).toEqual({ form: 'int64', value: 80n });
    expect(bag.get('destination.service.host')).toEqual({ form: 'string', value: 'b' });
    expect(bag.get('connection.mtls')).toEqual({ form: 'bool', value: false });
  });
  it.each([[undefined], ['{'], ['[]'], ['7'], [`{"a":"${'x'.repeat(20_000)}"}`]])('is nothing when it is %.10s', (text) => {
    expect(read(text).size).toBe(0);
  });
});
