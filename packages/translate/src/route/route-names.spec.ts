import { create, toBinary } from '@bufbuild/protobuf';
import { AnySchema, anyPack } from '@bufbuild/protobuf/wkt';
import { ListenerSchema } from '@xebec/protos/envoy/config/listener/v3/listener';
import { HttpConnectionManagerSchema } from '@xebec/protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import { TcpProxySchema } from '@xebec/protos/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy';
import { expect, it } from 'vitest';
import { routeNames } from './generate-routes.ts';

const rds = (routeConfigName: string) =>
  create(HttpConnectionManagerSchema, { statPrefix: 'prefix', routeSpecifier: { case: 'rds', value: { routeConfigName } } });
const inline = create(HttpConnectionManagerSchema, { routeSpecifier: { case: 'routeConfig', value: { name: 'inline' } } });
const manager = (...parts: Parameters<typeof anyPack<typeof HttpConnectionManagerSchema>>[1][]) =>
  create(AnySchema, {
    typeUrl: `type.googleapis.com/${HttpConnectionManagerSchema.typeName}`,
    value: Buffer.concat(parts.map((part) => toBinary(HttpConnectionManagerSchema, part))),
  });
const listener = (...values: ReturnType<typeof manager>[]) => ({
  message: create(ListenerSchema, {
    filterChains: values.map((value) => ({ filters: [{ name: 'filter', configType: { case: 'typedConfig' as const, value } }] })),
  }),
});

it('finds the names that managers ask for, whatever else is in them', () => {
  const tcp = anyPack(TcpProxySchema, create(TcpProxySchema, { statPrefix: 'tcp' }));
  expect(routeNames([listener(manager(rds('b')), manager(inline), tcp), listener(manager(rds('a')), manager(rds('b')))])).toEqual([
    'a',
    'b',
  ]);
  expect(routeNames([{ message: create(ListenerSchema, { apiListener: { apiListener: manager(rds('api')) } }) }])).toEqual(['api']);
});

it('lets the last of several route specifiers count, as decoders do', () => {
  expect(routeNames([listener(manager(rds('first'), inline))])).toEqual([]);
  expect(routeNames([listener(manager(inline, rds('last')))])).toEqual(['last']);
});
