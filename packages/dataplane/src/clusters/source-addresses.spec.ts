import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { BindConfigSchema } from '@xebec/protos/envoy/config/core/v3/address';
import { expect, it } from 'vitest';
import { bindFor, compileSourceAddresses } from './source-addresses.ts';

const sources = (json: JsonValue) => compileSourceAddresses(fromJson(BindConfigSchema, json));
const v4 = { address: '10.0.0.1', portValue: 0 };

it('binds to the first address of the family of the target', () => {
  const both = sources({ sourceAddress: { address: '::1', portValue: 0 }, extraSourceAddresses: [{ address: v4 }] });
  expect(bindFor(both, '10.9.9.9')).toEqual({ localAddress: '10.0.0.1' });
  expect(bindFor(both, 'fd00::1')).toEqual({ localAddress: '::1' });
});
it('binds to the first of all where none is of that family, so that connecting fails', () => {
  expect(bindFor(sources({ sourceAddress: v4 }), 'fd00::1')).toEqual({ localAddress: '10.0.0.1' });
});
it('keeps a port, and leaves the choice to the system without configuration', () => {
  expect(bindFor(sources({ sourceAddress: { ...v4, portValue: 4000 } }), '10.9.9.9')).toEqual({
    localAddress: '10.0.0.1',
    localPort: 4000,
  });
  expect(bindFor(sources({}), '10.9.9.9')).toEqual({});
});
