import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { ListenerSchema } from '@xebec/protos/envoy/config/listener/v3/listener';
import { FilterChainSchema } from '@xebec/protos/envoy/config/listener/v3/listener_components';
import { expect, it } from 'vitest';
import { encodeListener } from './encode-listener.ts';

const chain = create(FilterChainSchema, { name: 'shared', filterChainMatch: { destinationPort: 8080 }, filters: [{ name: 'filter' }] });
const listener = (name: string) =>
  create(ListenerSchema, {
    name,
    filterChains: [chain, create(FilterChainSchema, { name })],
    defaultFilterChain: { name: 'default' },
    statPrefix: 'prefix',
  });

it('says the same as the usual encoding, with equal bytes for equal listeners', () => {
  for (const name of ['one', 'two']) {
    const bytes = encodeListener(listener(name));
    expect(fromBinary(ListenerSchema, bytes)).toEqual(fromBinary(ListenerSchema, toBinary(ListenerSchema, listener(name))));
    expect(encodeListener(listener(name))).toEqual(bytes);
  }
  expect(fromBinary(ListenerSchema, encodeListener(create(ListenerSchema, { name: 'bare' })))).toMatchObject({ filterChains: [] });
});
