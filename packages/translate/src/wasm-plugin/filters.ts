import { byAge, type MeshProxy, type MeshSnapshot, policyApplies } from '@xebec/model';
import { LuaSchema } from '@xebec/protos/envoy/extensions/filters/http/lua/v3/lua';
import type { ConfigObject, TrafficExtensionSpec, WasmPluginSpec } from '@xebec/schemas';
import { extension } from '../envoy/any.ts';
import { ADS_SOURCE } from '../envoy/config-source.ts';
import { runs } from '../extensions.ts';
import type { NetworkFilter } from '../listener/connection-manager.ts';
import type { HttpFilter } from '../listener/http-filters.ts';
import { type Mode, matchesMode } from '../telemetry/access-log.ts';

/** A TrafficExtension, or a WasmPlugin as the TrafficExtension that it stands for. */
export type TrafficExtension = ConfigObject<TrafficExtensionSpec>;
export type Phase = NonNullable<WasmPluginSpec['phase']>;
export type ByPhase<T> = Readonly<Record<Phase, readonly T[]>>;

/** Filters that users bring, for one side and port of a proxy. */
export interface ExtensionFilters {
  http(mode: Mode, port: number): ByPhase<HttpFilter>;
  network(mode: Mode, port: number): ByPhase<NetworkFilter>;
}

const HTTP_TYPES = [
  'type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm',
  'type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC',
];
const NETWORK_TYPES = [
  'type.googleapis.com/envoy.extensions.filters.network.wasm.v3.Wasm',
  'type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC',
];

const WASM = 'envoy.filters.http.wasm';
const LUA = 'envoy.filters.http.lua';
/** As Istio marks TrafficExtensions that it makes of WasmPlugins; no name of an object has a tilde. */
const OF_WASM_PLUGIN = '~istio-translated-wasmplugin';

/** The name of an extension's filter, and of what is asked for over extension discovery. */
export function extensionName({ metadata }: TrafficExtension): string {
  return `extensions.istio.io/trafficextension/${metadata.namespace}.${metadata.name}`;
}

/**
 * The extensions that apply to a proxy and that it can run: of its own namespace and of the root, highest priority first, then as they
 * came. Our own data plane, which lists what it has, runs neither WASM nor Lua.
 */
export function extensionsOf(snapshot: MeshSnapshot, proxy: MeshProxy): TrafficExtension[] {
  const [wasm, lua] = [runs(proxy, WASM), runs(proxy, LUA)];
  if (!wasm && !lua) return [];
  const namespaces = [...new Set([proxy.namespace, snapshot.rootNamespace])];
  const priority = ({ spec }: TrafficExtension) => spec.priority ?? Number.NEGATIVE_INFINITY;
  return namespaces
    .flatMap((namespace) => {
      const plugins = snapshot.config.in('WasmPlugin', namespace);
      const extensions = snapshot.config.in('TrafficExtension', namespace);
      return plugins.length === 0 ? extensions : [...plugins.map(ofWasmPlugin), ...extensions].sort(byAge);
    })
    .filter(({ spec }) => ((spec.wasm?.url ?? '') !== '' ? wasm : lua && (spec.lua?.inlineCode ?? '') !== ''))
    .filter((extension) => policyApplies(extension, proxy))
    .sort((a, b) => (priority(a) === priority(b) ? 0 : priority(b) > priority(a) ? 1 : -1));
}

function ofWasmPlugin({ apiVersion, metadata, spec }: ConfigObject<WasmPluginSpec>): TrafficExtension {
  const { selector, targetRef, targetRefs, phase, priority, match, ...wasm } = spec;
  const targets = targetRefs ?? (targetRef === undefined ? undefined : [targetRef]);
  return {
    apiVersion,
    kind: 'TrafficExtension',
    metadata: { ...metadata, name: `${metadata.name}${OF_WASM_PLUGIN}` },
    spec: {
      wasm,
      ...(selector === undefined ? {} : { selector }),
      ...(targets === undefined ? {} : { targetRefs: targets }),
      ...(phase === undefined || phase === 'UNSPECIFIED_PHASE' ? {} : { phase }),
      ...(priority === undefined ? {} : { priority }),
      ...(match === undefined ? {} : { match }),
    },
  };
}

/** Lua is only for HTTP. */
export function isNetworkExtension({ spec }: TrafficExtension): boolean {
  return spec.wasm?.type === 'NETWORK';
}

/** Filters of WASM are references: their configuration, with the module in it, comes over extension discovery. Lua stands in place. */
export function extensionFilters(snapshot: MeshSnapshot, proxy: MeshProxy): ExtensionFilters {
  const extensions = extensionsOf(snapshot, proxy);
  const http = extensions.filter((extension) => !isNetworkExtension(extension));
  const network = extensions.filter(isNetworkExtension);
  return {
    http: (mode, port) => byPhase(http, mode, port, (extension): HttpFilter => luaFilter(extension) ?? reference(extension, HTTP_TYPES)),
    network: (mode, port) => byPhase(network, mode, port, (extension): NetworkFilter => reference(extension, NETWORK_TYPES)),
  };
}

function byPhase<T>(
  extensions: readonly TrafficExtension[],
  mode: Mode,
  port: number,
  build: (extension: TrafficExtension) => T,
): ByPhase<T> {
  const matching = extensions.filter((extension) => matches(extension, mode, port));
  const of = (phase: NonNullable<TrafficExtensionSpec['phase']>) =>
    matching.filter(({ spec }) => (spec.phase ?? 'UNSPECIFIED') === phase).map(build);
  return { AUTHN: of('AUTHN'), AUTHZ: of('AUTHZ'), STATS: of('STATS'), UNSPECIFIED_PHASE: of('UNSPECIFIED') };
}

/** Any of the selectors; without one, everywhere. */
function matches({ spec }: TrafficExtension, mode: Mode, port: number): boolean {
  const selectors = spec.match ?? [];
  return (
    selectors.length === 0 ||
    selectors.some(
      (selector) =>
        matchesMode(selector.mode, mode) &&
        ((selector.ports ?? []).length === 0 || selector.ports?.some(({ number }) => number === port) === true),
    )
  );
}

function luaFilter(given: TrafficExtension): HttpFilter | undefined {
  const { wasm, lua } = given.spec;
  if (wasm !== undefined || lua?.inlineCode === undefined) return undefined;
  return extension(extensionName(given), LuaSchema, { defaultSourceCode: { specifier: { case: 'inlineString', value: lua.inlineCode } } });
}

function reference(extension: TrafficExtension, typeUrls: string[]) {
  return {
    name: extensionName(extension),
    configType: { case: 'configDiscovery' as const, value: { configSource: ADS_SOURCE, typeUrls } },
  };
}
