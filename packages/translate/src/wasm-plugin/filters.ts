import { type MeshProxy, type MeshSnapshot, policyApplies } from '@xebec/model';
import type { ConfigObject, WasmPluginSpec } from '@xebec/schemas';
import { ADS_SOURCE } from '../envoy/config-source.ts';
import { listsEverything } from '../extensions.ts';
import type { NetworkFilter } from '../listener/connection-manager.ts';
import type { HttpFilter } from '../listener/http-filters.ts';
import { type Mode, matchesMode } from '../telemetry/access-log.ts';

export type WasmPlugin = ConfigObject<WasmPluginSpec>;
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

/** WASM runs in Envoys that have it; our own data plane lists what it has. */
export function runsWasm(proxy: MeshProxy): boolean {
  return !listsEverything(proxy) || proxy.extensions.has('envoy.filters.http.wasm');
}

/** Under which name a plugin is asked for over extension discovery. */
export function extensionName(plugin: WasmPlugin): string {
  // As release 1.32 names it, where a WasmPlugin is a kind of TrafficExtension.
  return `extensions.istio.io/trafficextension/${plugin.metadata.namespace}.${plugin.metadata.name}~istio-translated-wasmplugin`;
}

/** The plugins that apply to a proxy: of its own namespace and of the root, highest priority first, then as they came. */
export function pluginsOf(snapshot: MeshSnapshot, proxy: MeshProxy): WasmPlugin[] {
  if (!runsWasm(proxy)) return [];
  const namespaces = [...new Set([proxy.namespace, snapshot.rootNamespace])];
  const priority = ({ spec }: WasmPlugin) => spec.priority ?? Number.NEGATIVE_INFINITY;
  return namespaces
    .flatMap((namespace) => snapshot.config.in('WasmPlugin', namespace))
    .filter((plugin) => plugin.spec.url !== '' && policyApplies(plugin, proxy))
    .sort((a, b) => (priority(a) === priority(b) ? 0 : priority(b) > priority(a) ? 1 : -1));
}

export function isNetworkPlugin({ spec }: WasmPlugin): boolean {
  return spec.type === 'NETWORK';
}

/** The filters are references: their configuration, with the module in it, comes over extension discovery. */
export function extensionFilters(snapshot: MeshSnapshot, proxy: MeshProxy): ExtensionFilters {
  const plugins = pluginsOf(snapshot, proxy);
  const http = plugins.filter((plugin) => !isNetworkPlugin(plugin));
  const network = plugins.filter(isNetworkPlugin);
  return {
    http: (mode, port) => byPhase(http, mode, port, (plugin): HttpFilter => reference(plugin, HTTP_TYPES)),
    network: (mode, port) => byPhase(network, mode, port, (plugin): NetworkFilter => reference(plugin, NETWORK_TYPES)),
  };
}

function byPhase<T>(plugins: readonly WasmPlugin[], mode: Mode, port: number, build: (plugin: WasmPlugin) => T): ByPhase<T> {
  const matching = plugins.filter((plugin) => matches(plugin, mode, port));
  const of = (phase: Phase) => matching.filter(({ spec }) => (spec.phase ?? 'UNSPECIFIED_PHASE') === phase).map(build);
  return { AUTHN: of('AUTHN'), AUTHZ: of('AUTHZ'), STATS: of('STATS'), UNSPECIFIED_PHASE: of('UNSPECIFIED_PHASE') };
}

/** Any of the selectors; without one, everywhere. */
function matches({ spec }: WasmPlugin, mode: Mode, port: number): boolean {
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

function reference(plugin: WasmPlugin, typeUrls: string[]) {
  return { name: extensionName(plugin), configType: { case: 'configDiscovery' as const, value: { configSource: ADS_SOURCE, typeUrls } } };
}
