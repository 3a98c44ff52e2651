import type { MeshSnapshot, VirtualService } from '@xebec/model';
import type { HttpMatch, HttpRoute, StringMatch } from '@xebec/schemas';

/**
 * A VirtualService with its delegates' routes put in their places. A delegate's match must be narrower than the root's;
 * where the two cannot both hold the route is dropped. One level deep, as in Istio.
 */
export function resolveDelegates(snapshot: MeshSnapshot, root: VirtualService): VirtualService {
  if (!(root.spec.http ?? []).some((route) => route.delegate !== undefined)) return root;
  const http = (root.spec.http ?? []).flatMap((route): HttpRoute[] => {
    if (route.delegate === undefined) return [route];
    const namespace = route.delegate.namespace ?? root.metadata.namespace;
    const name = route.delegate.name;
    const delegate = snapshot.config.in('VirtualService', namespace).find((config) => config.metadata.name === name);
    if (delegate === undefined) return [];
    return (delegate.spec.http ?? []).flatMap((inner) => merge(route, inner, `${namespace}.svc.${snapshot.domain}`));
  });
  return { ...root, spec: { ...root.spec, http } };
}

function merge(outer: HttpRoute, inner: HttpRoute, suffix: string): HttpRoute[] {
  const { delegate: _, match: outerMatches = [], ...overrides } = outer;
  const innerMatches = inner.match ?? [];
  const matches =
    outerMatches.length === 0
      ? innerMatches
      : innerMatches.length === 0
        ? outerMatches
        : outerMatches.flatMap((a) => innerMatches.flatMap((b) => both(a, b) ?? []));
  if (matches.length === 0 && (outerMatches.length > 0 || innerMatches.length > 0)) return [];
  const name = [outer.name, inner.name].filter((part) => part !== undefined).join('-');
  return [
    {
      ...inner,
      ...overrides,
      ...(name === '' ? {} : { name }),
      ...(matches.length === 0 ? {} : { match: matches }),
      // Destinations are written from the delegate's namespace, and the root's rules are read from its own.
      ...(inner.route === undefined ? {} : { route: inner.route.map((entry) => qualify(entry, suffix)) }),
    },
  ];
}

type Entry = NonNullable<HttpRoute['route']>[number];

function qualify(entry: Entry, suffix: string): Entry {
  const { host } = entry.destination;
  if (host.includes('.') || host.includes('*')) return entry;
  return { ...entry, destination: { ...entry.destination, host: `${host}.${suffix}` } };
}

/** The match that holds when both hold, or undefined when that cannot be said. */
function both(outer: HttpMatch, inner: HttpMatch): HttpMatch | undefined {
  const uri = narrower(outer.uri, inner.uri);
  const method = narrower(outer.method, inner.method);
  const authority = narrower(outer.authority, inner.authority);
  const scheme = narrower(outer.scheme, inner.scheme);
  if (uri === null || method === null || authority === null || scheme === null) return undefined;
  if (outer.port !== undefined && inner.port !== undefined && outer.port !== inner.port) return undefined;
  const headers = { ...outer.headers, ...inner.headers };
  const withoutHeaders = { ...outer.withoutHeaders, ...inner.withoutHeaders };
  const queryParams = { ...outer.queryParams, ...inner.queryParams };
  return {
    ...outer,
    ...inner,
    ...(uri === undefined ? {} : { uri }),
    ...(method === undefined ? {} : { method }),
    ...(authority === undefined ? {} : { authority }),
    ...(scheme === undefined ? {} : { scheme }),
    ...(Object.keys(headers).length === 0 ? {} : { headers }),
    ...(Object.keys(withoutHeaders).length === 0 ? {} : { withoutHeaders }),
    ...(Object.keys(queryParams).length === 0 ? {} : { queryParams }),
  };
}

/** null: the two conflict, or cannot be compared. */
function narrower(outer: StringMatch | undefined, inner: StringMatch | undefined): StringMatch | undefined | null {
  if (outer === undefined) return inner;
  if (inner === undefined) return outer;
  if (outer.regex !== undefined || inner.regex !== undefined) return null;
  if (outer.exact !== undefined) return inner.exact === outer.exact ? inner : null;
  const value = inner.exact ?? inner.prefix ?? '';
  return value.startsWith(outer.prefix ?? '') ? inner : null;
}
