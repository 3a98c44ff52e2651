import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import { type Any, anyUnpack } from '@bufbuild/protobuf/wkt';
import { type ConnectionTraits, FilterChainMatcher } from '@xebec/matching';
import { TrafficDirection } from '@xebec/protos/envoy/config/core/v3/base';
import type { Listener } from '@xebec/protos/envoy/config/listener/v3/listener';
import type { FilterChain } from '@xebec/protos/envoy/config/listener/v3/listener_components';
import type { RBAC as Rules } from '@xebec/protos/envoy/config/rbac/v3/rbac';
import { ExtAuthzSchema } from '@xebec/protos/envoy/extensions/filters/http/ext_authz/v3/ext_authz';
import { JwtAuthenticationSchema } from '@xebec/protos/envoy/extensions/filters/http/jwt_authn/v3/config';
import { RBACSchema } from '@xebec/protos/envoy/extensions/filters/http/rbac/v3/rbac';
import { ExtAuthzSchema as NetworkExtAuthzSchema } from '@xebec/protos/envoy/extensions/filters/network/ext_authz/v3/ext_authz';
import { HttpConnectionManagerSchema } from '@xebec/protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import { RBACSchema as NetworkRbacSchema } from '@xebec/protos/envoy/extensions/filters/network/rbac/v3/rbac';
import type { MetadataMatcher } from '@xebec/protos/envoy/type/matcher/v3/metadata';

/** One filter that has a say in who gets in. */
export type GuardStep =
  | { readonly kind: 'rules'; readonly rules: Rules | undefined; readonly shadow: Rules | undefined; readonly shadowPrefix: string }
  /** An external authorizer. `marked`: asked only about what CUSTOM rules before it have marked, whatever their provider. */
  | { readonly kind: 'provider'; readonly cluster: string; readonly condition: MetadataMatcher | 'marked' | undefined }
  | { readonly kind: 'tokens'; readonly providers: readonly { readonly issuer: string; readonly metadata: string }[] };

/** Of the shadow rules that mark what an external authorizer is asked about. */
export const ASK_PREFIX = 'istio_ext_authz_';

/** What stands before one kind of connection, in its order. */
export interface Guard {
  readonly listener: string;
  readonly chain: string;
  /** Undefined: any port that has no chain of its own. */
  readonly port: number | undefined;
  readonly protocol: 'http' | 'tcp';
  readonly steps: readonly GuardStep[];
}

/** A filter by its name and configuration, of a connection manager or of a chain. */
export interface FilterConfig {
  readonly name: string;
  readonly config: Any | undefined;
}

/** The listeners of a proxy that others call, each with the guards of its chains and the choice among them. */
export class GuardedListeners {
  readonly #listeners: readonly {
    readonly listener: Listener;
    readonly matcher: FilterChainMatcher<Guard>;
    readonly guards: readonly Guard[];
  }[];

  constructor(listeners: readonly Listener[]) {
    this.#listeners = inboundOf(listeners).map((listener) => {
      const chains = listener.filterChains.map((chain) => ({ match: chain.filterChainMatch, value: guardOf(listener, chain) }));
      const fallback = listener.defaultFilterChain === undefined ? undefined : guardOf(listener, listener.defaultFilterChain);
      return {
        listener,
        matcher: new FilterChainMatcher(chains, fallback),
        guards: [...chains.map(({ value }) => value), ...(fallback === undefined ? [] : [fallback])],
      };
    });
  }
  get all(): readonly Guard[] {
    return this.#listeners.flatMap(({ guards }) => guards);
  }
  /** The guard of a connection; undefined: no listener or no chain takes it. */
  find(traits: ConnectionTraits): Guard | undefined {
    const bound = this.#listeners.find(({ listener }) => portOf(listener) === traits.destinationPort && !isVirtual(listener));
    return (bound ?? this.#listeners.find(({ listener }) => isVirtual(listener)))?.matcher.find(traits);
  }
}

/** What filters a guard consists of. */
export function guardSteps(filters: readonly FilterConfig[]): GuardStep[] {
  return filters.flatMap(({ config }): GuardStep[] => {
    const rbac = unpack(config, RBACSchema) ?? unpack(config, NetworkRbacSchema);
    if (rbac !== undefined)
      return [{ kind: 'rules', rules: rbac.rules, shadow: rbac.shadowRules, shadowPrefix: rbac.shadowRulesStatPrefix }];
    const http = unpack(config, ExtAuthzSchema);
    if (http !== undefined) {
      const { services } = http;
      const target = services.case === 'httpService' ? services.value.serverUri?.httpUpstreamType.value : grpcCluster(services.value);
      return [{ kind: 'provider', cluster: target ?? '', condition: http.filterEnabledMetadata }];
    }
    const tcp = unpack(config, NetworkExtAuthzSchema);
    if (tcp !== undefined) return [{ kind: 'provider', cluster: grpcCluster(tcp.grpcService), condition: tcp.filterEnabledMetadata }];
    const jwt = unpack(config, JwtAuthenticationSchema);
    if (jwt === undefined) return [];
    return [
      {
        kind: 'tokens',
        providers: Object.values(jwt.providers).map(({ issuer, payloadInMetadata }) => ({ issuer, metadata: payloadInMetadata })),
      },
    ];
  });
}

function guardOf(listener: Listener, chain: FilterChain): Guard {
  const filters = chain.filters.map(({ name, configType }) => ({
    name,
    config: configType.case === 'typedConfig' ? configType.value : undefined,
  }));
  const manager = filters.map(({ config }) => unpack(config, HttpConnectionManagerSchema)).find((found) => found !== undefined);
  const inner = (manager?.httpFilters ?? []).map(({ name, configType }) => ({
    name,
    config: configType.case === 'typedConfig' ? configType.value : undefined,
  }));
  return {
    listener: listener.name,
    chain: chain.name,
    port: chain.filterChainMatch?.destinationPort ?? (isVirtual(listener) ? undefined : portOf(listener)),
    protocol: manager === undefined ? 'tcp' : 'http',
    steps: guardSteps([...filters, ...inner]),
  };
}

/** What others call: listeners for what comes in, and where there are none (a gateway), all that take connections themselves. */
function inboundOf(listeners: readonly Listener[]): readonly Listener[] {
  const inbound = listeners.filter(({ trafficDirection }) => trafficDirection === TrafficDirection.INBOUND);
  if (inbound.length > 0) return inbound;
  return listeners.filter(({ bindToPort, name }) => bindToPort !== false && name !== 'virtualOutbound');
}

function isVirtual({ name }: Listener): boolean {
  return name === 'virtualInbound';
}

function portOf({ address }: Listener): number | undefined {
  const socket = address?.address.case === 'socketAddress' ? address.address.value : undefined;
  return socket?.portSpecifier.case === 'portValue' ? socket.portSpecifier.value : undefined;
}

function grpcCluster(service: { targetSpecifier?: { case?: string | undefined; value?: unknown } } | undefined): string {
  const value = service?.targetSpecifier?.case === 'envoyGrpc' ? service.targetSpecifier.value : undefined;
  return typeof value === 'object' && value !== null && 'clusterName' in value ? String(value.clusterName) : '';
}

function unpack<D extends DescMessage>(any: Any | undefined, desc: D): MessageShape<D> | undefined {
  return any === undefined ? undefined : anyUnpack(any, desc);
}
