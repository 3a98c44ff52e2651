import { XebecError } from '@xebec/core';
import type { CompiledRouteTable } from '@xebec/matching';
import { requestHeaderValues } from '@xebec/matching';
import type {
  ScopedRoutes_ScopeKeyBuilder_FragmentBuilder as FragmentBuilder,
  ScopedRoutes,
} from '@xebec/protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import type { RequestHead } from '@xebec/wire';
import type { RouteHandle, RouteStore } from './route-store.ts';

/** One part of a scope's key; undefined where the request does not have it, and so is in no scope. */
type Fragment = (request: RequestHead) => string | undefined;

/**
 * Compiles `scoped_routes` with their list in place: a request's headers make a key, and the key says which route configuration it gets.
 * Requests in no scope have no route. Throws XebecError `E_CONFIG`.
 */
export function openScopedRoutes(proto: ScopedRoutes, store: RouteStore, where: string, statPrefix: string): RouteHandle {
  if (proto.configSpecifier.case !== 'scopedRouteConfigurationsList')
    throw new XebecError('E_CONFIG', `${where}: scoped_rds is not supported; use scoped_route_configurations_list`);
  const fragments = (proto.scopeKeyBuilder?.fragments ?? []).map((fragment) => compileFragment(fragment, where));
  const handles: RouteHandle[] = [];
  const scopes = new Map<string, RouteHandle['source']>();
  for (const { name, key, routeConfiguration, routeConfigurationName } of proto.configSpecifier.value.scopedRouteConfigurations) {
    const handle =
      routeConfiguration === undefined
        ? store.subscribe(routeConfigurationName, proto.rdsConfigSource, `${where}: scope "${name}"`, statPrefix)
        : store.inline(routeConfiguration);
    handles.push(handle);
    // Of two scopes of one key the first stays.
    const text = keyOf((key?.fragments ?? []).map(({ type }) => type.value ?? ''));
    if (!scopes.has(text)) scopes.set(text, handle.source);
  }
  const choose = (request: RequestHead): CompiledRouteTable | undefined => {
    const parts: string[] = [];
    for (const fragment of fragments) {
      const part = fragment(request);
      if (part === undefined) return undefined;
      parts.push(part);
    }
    return scopes.get(keyOf(parts))?.current;
  };
  return {
    source: { current: undefined, choose },
    whenReady: (done) => {
      let waiting = handles.length;
      if (waiting === 0) done();
      for (const handle of handles)
        handle.whenReady(() => {
          if (--waiting === 0) done();
        });
    },
    release: () => {
      for (const handle of handles) handle.release();
    },
  };
}

function keyOf(parts: readonly string[]): string {
  return JSON.stringify(parts);
}

function firstValue(request: RequestHead, header: string): string | undefined {
  const value = requestHeaderValues(request, header);
  return typeof value === 'string' ? value : value?.[0];
}

function compileFragment({ type }: FragmentBuilder, where: string): Fragment {
  if (type.case !== 'headerValueExtractor') throw new XebecError('E_CONFIG', `${where}: scope_key_builder: set header_value_extractor`);
  const { name, elementSeparator, extractType } = type.value;
  const header = name.toLowerCase();
  const elements = (value: string): readonly string[] => (elementSeparator === '' ? [value] : value.split(elementSeparator));
  switch (extractType.case) {
    case 'index': {
      const index = extractType.value;
      if (elementSeparator === '' && index !== 0)
        throw new XebecError('E_CONFIG', `${where}: scope_key_builder: Index > 0 for empty string element separator.`);
      return (request) => {
        const value = firstValue(request, header);
        return value === undefined ? undefined : elements(value)[index];
      };
    }
    case 'element': {
      const { separator, key } = extractType.value;
      return (request) => {
        const value = firstValue(request, header);
        for (const element of value === undefined ? [] : elements(value)) {
          const at = element.indexOf(separator);
          if ((at === -1 ? element : element.slice(0, at)) === key) return at === -1 ? '' : element.slice(at + separator.length);
        }
        return undefined;
      };
    }
    default:
      throw new XebecError('E_CONFIG', `${where}: scope_key_builder: set index or element`);
  }
}
