import { isVisible, type MeshSnapshot, type VirtualService } from '@xebec/model';
import type { HttpMatch, HttpRoute, StringMatch } from '@xebec/schemas';

/** Where one of the merged routes was written. */
export interface RouteOrigin {
  readonly object: VirtualService;
  /** Position in the object's `spec.http`. */
  readonly index: number;
}

/** A VirtualService whose `spec.http` came from several: `routeOrigins` tells of each route, in order. */
export interface ResolvedVirtualService extends VirtualService {
  readonly routeOrigins?: readonly RouteOrigin[];
}

/**
 * A VirtualService with its delegates' routes put in their places: those of a VirtualService without hosts that the root's
 * namespace may see. One level deep.
 */
export function resolveDelegates(snapshot: MeshSnapshot, root: VirtualService): ResolvedVirtualService {
  if (!(root.spec.http ?? []).some((route) => route.delegate !== undefined)) return root;
  const fallback = snapshot.mesh.defaultVirtualServiceExportTo ?? ['*'];
  const merged = (root.spec.http ?? []).flatMap((route, position): { route: HttpRoute; origin: RouteOrigin }[] => {
    if (route.delegate === undefined) return [{ route, origin: { object: root, index: position } }];
    const { name } = route.delegate;
    const namespace =
      route.delegate.namespace === undefined || route.delegate.namespace === '' ? root.metadata.namespace : route.delegate.namespace;
    const delegate = snapshot.config.in('VirtualService', namespace).find((config) => config.metadata.name === name);
    if (delegate === undefined || (delegate.spec.hosts ?? []).length > 0) return [];
    if (!isVisible(delegate.spec.exportTo, namespace, root.metadata.namespace, fallback)) return [];
    return (delegate.spec.http ?? []).flatMap((inner, index) =>
      merge(route, inner, `${namespace}.svc.${snapshot.domain}`).map((own) => ({ route: own, origin: { object: delegate, index } })),
    );
  });
  return { ...root, spec: { ...root.spec, http: merged.map(({ route }) => route) }, routeOrigins: merged.map(({ origin }) => origin) };
}

/** The delegate's route with what it leaves open taken from the root's; nothing where their matches cannot both hold. */
function merge(outer: HttpRoute, inner: HttpRoute, suffix: string): HttpRoute[] {
  const match = mergeMatches(outer.match ?? [], inner.match ?? []);
  if (match === undefined) return [];
  // Where a route leads is the delegate's to say; a route of the root that delegates has no destination or redirect.
  const { delegate: _, match: __, name: ___, route: ____, redirect: _____, ...defaults } = outer;
  const { match: ______, name: _______, ...own } = inner;
  const name = joinNames(outer.name, inner.name);
  return [
    {
      ...defaults,
      ...own,
      ...(name === '' ? {} : { name }),
      ...(match.length === 0 ? {} : { match }),
      // Destinations are written from the delegate's namespace, and the root's rules are read from its own.
      ...qualified(inner, suffix),
    },
  ];
}

function joinNames(outer: string | undefined, inner: string | undefined): string {
  return [outer, inner].filter((part) => part !== undefined && part !== '').join('-');
}

function qualified(route: HttpRoute, suffix: string): Pick<HttpRoute, 'route' | 'mirror' | 'mirrors'> {
  const full = <T extends { readonly host: string }>(destination: T): T =>
    destination.host.includes('.') || destination.host.includes('*')
      ? destination
      : { ...destination, host: `${destination.host}.${suffix}` };
  return {
    ...(route.route === undefined ? {} : { route: route.route.map((entry) => ({ ...entry, destination: full(entry.destination) })) }),
    ...(route.mirror === undefined ? {} : { mirror: full(route.mirror) }),
    ...(route.mirrors === undefined ? {} : { mirrors: route.mirrors.map((entry) => ({ ...entry, destination: full(entry.destination) })) }),
  };
}

/** Each match of the delegate must be narrower than one of the root, else its route is dropped: undefined. */
function mergeMatches(outer: readonly HttpMatch[], inner: readonly HttpMatch[]): HttpMatch[] | undefined {
  if (outer.length === 0) return [...inner];
  if (inner.length === 0) return [...outer];
  const out: HttpMatch[] = [];
  for (const leaf of inner) {
    const fitting = outer.filter((root) => !conflict(root, leaf));
    if (fitting.length === 0) return undefined;
    out.push(...fitting.map((root) => both(root, leaf)));
  }
  return out;
}

/** The match that holds when both hold. */
function both(root: HttpMatch, leaf: HttpMatch): HttpMatch {
  const name = joinNames(root.name, leaf.name);
  const { name: _, ignoreUriCase: __, ...defaults } = root;
  return {
    ...defaults,
    ...leaf,
    ...(name === '' ? {} : { name }),
    ...merged('headers', root.headers, leaf.headers),
    ...merged('withoutHeaders', root.withoutHeaders, leaf.withoutHeaders),
    ...merged('queryParams', root.queryParams, leaf.queryParams),
    ...merged('sourceLabels', root.sourceLabels, leaf.sourceLabels),
    ...(leaf.gateways !== undefined && leaf.gateways.length > 0
      ? { gateways: leaf.gateways }
      : root.gateways === undefined
        ? {}
        : { gateways: root.gateways }),
  };
}

function merged<K extends string, V>(
  key: K,
  root: Readonly<Record<string, V>> | undefined,
  leaf: Readonly<Record<string, V>> | undefined,
): { [P in K]?: Record<string, V> } {
  const out: { [P in K]?: Record<string, V> } = {};
  if (root !== undefined || leaf !== undefined) out[key] = { ...root, ...leaf };
  return out;
}

/** Whether the two cannot both hold, or it cannot be said that the leaf is the narrower one. */
function conflict(root: HttpMatch, leaf: HttpMatch): boolean {
  if (stringConflict(root.uri, leaf.uri) || stringConflict(root.scheme, leaf.scheme)) return true;
  if (stringConflict(root.method, leaf.method) || stringConflict(root.authority, leaf.authority)) return true;
  for (const [key, value] of Object.entries(leaf.headers ?? {})) if (stringConflict(root.headers?.[key], value)) return true;
  for (const [key, value] of Object.entries(leaf.withoutHeaders ?? {})) if (stringConflict(root.withoutHeaders?.[key], value)) return true;
  for (const [key, value] of Object.entries(leaf.queryParams ?? {})) if (stringConflict(root.queryParams?.[key], value)) return true;
  if ((root.ignoreUriCase === true) !== (leaf.ignoreUriCase === true)) return true;
  if (root.port !== undefined && leaf.port !== undefined && root.port !== leaf.port) return true;
  if (root.sourceNamespace !== undefined && root.sourceNamespace !== '' && leaf.sourceNamespace !== root.sourceNamespace) return true;
  for (const [key, value] of Object.entries(leaf.sourceLabels ?? {})) {
    const other = root.sourceLabels?.[key];
    if (other !== undefined && other !== value) return true;
  }
  const gateways = root.gateways ?? [];
  return gateways.length > 0 && (leaf.gateways ?? []).some((gateway) => !gateways.includes(gateway));
}

function stringConflict(root: StringMatch | undefined, leaf: StringMatch | undefined): boolean {
  if (root === undefined || leaf === undefined) return false;
  if (root.regex !== undefined || leaf.regex !== undefined) return true;
  if (root.exact !== undefined) return leaf.exact !== root.exact;
  const value = leaf.exact ?? leaf.prefix;
  return root.prefix === undefined || value === undefined || !value.startsWith(root.prefix);
}
