import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { compileRouteTable } from '@xebec/matching';
import { ScopedRoutesSchema } from '@xebec/protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import type { RequestHead } from '@xebec/wire';
import { describe, expect, it } from 'vitest';
import { decodeRoutes } from './network-filters.ts';
import { RouteStore } from './route-store.ts';
import { openScopedRoutes } from './scoped-routes.ts';

const request = (...headers: string[]): RequestHead => ({
  method: 'GET',
  path: '/',
  authority: 'h',
  scheme: 'http',
  headers,
  version: 'HTTP/1.1',
});

function open(fragments: JsonValue, scopes: Readonly<Record<string, readonly string[]>>, more: Record<string, JsonValue> = {}) {
  const store = new RouteStore(
    () => () => undefined,
    compileRouteTable,
    decodeRoutes,
    () => 0,
  );
  const list = Object.entries(scopes).map(([name, key]) => ({
    name,
    key: { fragments: key.map((stringKey) => ({ stringKey })) },
    routeConfiguration: { name, virtualHosts: [] },
  }));
  const proto = fromJson(ScopedRoutesSchema, {
    name: 's',
    scopeKeyBuilder: { fragments },
    scopedRouteConfigurationsList: { scopedRouteConfigurations: list },
    ...more,
  });
  const handle = openScopedRoutes(proto, store, 'here', 'http.x');
  return { handle, store, named: (...headers: string[]) => handle.source.choose?.(request(...headers))?.name };
}
const index = (name: string, position: number, elementSeparator = '') => ({
  headerValueExtractor: { name, index: position, elementSeparator },
});

describe('openScopedRoutes', () => {
  it('finds the configuration whose key the headers make', () => {
    const { named } = open([index('X-Tenant', 1, ','), index('x-zone', 0)], { one: ['a', 'z'], two: ['b', 'z'] });
    expect(named('x-tenant', 'x,a', 'x-zone', 'z')).toBe('one');
    expect(named('x-tenant', 'x,b', 'x-zone', 'z')).toBe('two');
    expect(named('x-tenant', 'x', 'x-zone', 'z')).toBeUndefined();
    expect(named('x-zone', 'z')).toBeUndefined();
  });
  it('finds the value of a key in a header', () => {
    const fragment = { headerValueExtractor: { name: 'x', elementSeparator: ';', element: { separator: '=', key: 'k' } } };
    const { named } = open([fragment], { one: ['v'], none: [''] });
    expect(named('x', 'a=b;k=v')).toBe('one');
    expect(named('x', 'a=b;k')).toBe('none');
    expect(named('x', 'a=b')).toBeUndefined();
  });
  it('gives its configurations back', () => {
    const { handle, store } = open([index('x', 0)], { one: ['a'] });
    expect(store.records).toHaveLength(1);
    handle.release();
    expect(store.records).toHaveLength(0);
  });
  it('refuses discovery of scopes, and positions without a separator', () => {
    const discovered = { scopedRds: { scopedRdsConfigSource: { ads: {} } } };
    const store = new RouteStore(
      () => () => undefined,
      compileRouteTable,
      decodeRoutes,
      () => 0,
    );
    const proto = fromJson(ScopedRoutesSchema, { name: 's', ...discovered });
    expect(() => openScopedRoutes(proto, store, 'here', 'x')).toThrow('scoped_rds is not supported');
    expect(() => open([index('x', 1)], {})).toThrow('Index > 0 for empty string element separator');
  });
});
