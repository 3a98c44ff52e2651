import { clone, type DescMessage, isMessage, type Message, type MessageShape } from '@bufbuild/protobuf';
import { query, sameList } from '@xebec/incremental';
import { type MeshProxy, type MeshSnapshot, policyApplies } from '@xebec/model';
import { ClusterSchema } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import { TypedExtensionConfigSchema } from '@xebec/protos/envoy/config/core/v3/extension';
import { ListenerSchema } from '@xebec/protos/envoy/config/listener/v3/listener';
import { FilterChainSchema, FilterSchema, ListenerFilterSchema } from '@xebec/protos/envoy/config/listener/v3/listener_components';
import { RouteConfigurationSchema } from '@xebec/protos/envoy/config/route/v3/route';
import { RouteSchema, VirtualHostSchema } from '@xebec/protos/envoy/config/route/v3/route_components';
import { HttpFilterSchema } from '@xebec/protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import type { ConfigObject, EnvoyFilterPatch, EnvoyFilterSpec } from '@xebec/schemas';
import { type ConfigReference, referenceTo } from '../generated.ts';
import { decodeValue } from './values.ts';

export type ApplyTo = EnvoyFilterPatch['applyTo'];
export type Context = 'SIDECAR_INBOUND' | 'SIDECAR_OUTBOUND' | 'GATEWAY';

/** One patch that concerns a proxy. */
export interface Patch {
  readonly applyTo: ApplyTo;
  readonly operation: NonNullable<NonNullable<EnvoyFilterPatch['patch']>['operation']>;
  readonly match: NonNullable<EnvoyFilterPatch['match']>;
  /** Absent for REMOVE. */
  readonly value?: Message;
  readonly reference: ConfigReference;
}

const SCHEMAS: Readonly<Partial<Record<ApplyTo, DescMessage>>> = {
  CLUSTER: ClusterSchema,
  LISTENER: ListenerSchema,
  LISTENER_FILTER: ListenerFilterSchema,
  FILTER_CHAIN: FilterChainSchema,
  NETWORK_FILTER: FilterSchema,
  HTTP_FILTER: HttpFilterSchema,
  ROUTE_CONFIGURATION: RouteConfigurationSchema,
  VIRTUAL_HOST: VirtualHostSchema,
  HTTP_ROUTE: RouteSchema,
  EXTENSION_CONFIG: TypedExtensionConfigSchema,
};

/**
 * The patches of EnvoyFilters in the root namespace and the proxy's own that select it, by priority, then root namespace
 * first, then age. A value that is no valid message, or of a type the mesh does not know, is left out.
 */
export const patchesFor = query(
  'patches',
  (snapshot: MeshSnapshot, proxy: MeshProxy): Patch[] => {
    const filters = [...new Set([snapshot.rootNamespace, proxy.namespace])].flatMap((namespace) =>
      snapshot.config.in('EnvoyFilter', namespace),
    );
    return filters
      .filter(({ metadata, spec }) => {
        const selector = { matchLabels: spec.workloadSelector?.labels };
        return policyApplies({ metadata, spec: { selector, targetRefs: spec.targetRefs } }, proxy);
      })
      .sort((a, b) => (a.spec.priority ?? 0) - (b.spec.priority ?? 0))
      .flatMap((filter) => patchesOf(snapshot, filter).flatMap(({ given, patch }) => (concerns(given, proxy) ? [patch] : [])));
  },
  { same: sameList },
);

/** What an EnvoyFilter asks for, whichever the proxy. */
const patchesOf = query('patches of an EnvoyFilter', (_: MeshSnapshot, filter: ConfigObject<EnvoyFilterSpec>) =>
  (filter.spec.configPatches ?? []).flatMap((given, index): { given: EnvoyFilterPatch; patch: Patch }[] => {
    const schema = SCHEMAS[given.applyTo];
    const operation = given.patch?.operation ?? 'INVALID';
    if (schema === undefined || operation === 'INVALID') return [];
    const value = operation === 'REMOVE' ? undefined : decodeValue(schema, given.patch?.value ?? {});
    if (value === undefined && operation !== 'REMOVE') return [];
    const reference = referenceTo(filter, `spec.configPatches[${index}]`);
    const patch = { applyTo: given.applyTo, operation: placed(given.applyTo, operation), match: given.match ?? {}, reference };
    return [{ given, patch: value === undefined ? patch : { ...patch, value } }];
  }),
);

function concerns(patch: EnvoyFilterPatch, proxy: MeshProxy): boolean {
  const context = patch.match?.context ?? 'ANY';
  if (context === 'WAYPOINT') return false;
  if (context !== 'ANY' && (context === 'GATEWAY') !== (proxy.type === 'router')) return false;
  const version = patch.match?.proxy?.proxyVersion;
  if (version !== undefined && version !== '') {
    const own = proxy.metadata['ISTIO_VERSION'];
    if (typeof own !== 'string' || !safeTest(version, own)) return false;
  }
  return Object.entries(patch.match?.proxy?.metadata ?? {}).every(([key, value]) => proxy.metadata[key] === value);
}

/** The expression was checked when the object was admitted; one that slipped through matches nothing. */
function safeTest(expression: string, text: string): boolean {
  try {
    return new RegExp(expression).test(text);
  } catch {
    return false;
  }
}

/** Only filters and routes have an order that counts: anything else is added, wherever it was to be inserted. */
function placed(applyTo: ApplyTo, operation: Patch['operation']): Patch['operation'] {
  const ordered = applyTo === 'HTTP_FILTER' || applyTo === 'NETWORK_FILTER' || applyTo === 'HTTP_ROUTE' || applyTo === 'LISTENER_FILTER';
  return !ordered && operation.startsWith('INSERT_') ? 'ADD' : operation;
}

/** The value of a patch, a copy that may be changed. */
export function patchValue<Desc extends DescMessage>(patch: Patch, schema: Desc): MessageShape<Desc> | undefined {
  return isMessage(patch.value, schema) ? clone(schema, patch.value) : undefined;
}

export function isMerge({ operation }: Patch): boolean {
  return operation === 'MERGE' || operation === 'MERGE_AND_REPLACE_LIST';
}

export function inContext(patch: Patch, context: Context): boolean {
  const wanted = patch.match.context ?? 'ANY';
  return wanted === 'ANY' || wanted === context;
}
