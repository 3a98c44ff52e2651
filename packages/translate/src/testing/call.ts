import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { type CompiledRoute, compileRbac, compileRouteTable } from '@xebec/matching';
import type { Listener } from '@xebec/protos/envoy/config/listener/v3/listener';
import { RBACSchema } from '@xebec/protos/envoy/extensions/filters/http/rbac/v3/rbac';
import { HttpConnectionManagerSchema } from '@xebec/protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import { createStreamInfo, type StreamInfo } from '@xebec/telemetry';
import { generateListeners } from '../listener/generate-listeners.ts';
import { generateRoutes } from '../route/generate-routes.ts';
import { build, type Scenario } from './scenario.ts';

export interface Call {
  /** Route configuration: a port, `http_proxy`, or a gateway's name. */
  readonly via: string;
  readonly host: string;
  readonly path?: string;
  readonly method?: string;
  /** Names and values in turn. */
  readonly headers?: string[];
  /** The draw for weights, [0, 1). */
  readonly random?: number;
}

/** Who calls, as the server sees it. */
export interface Caller {
  /** SPIFFE ID of the peer's certificate; absent: plain text. */
  readonly identity?: string;
  readonly port?: number;
}

/** Where a call goes by the generated routes and the proxy's own matchers: a cluster, a status, or `redirect`. */
export function reached(scenario: Scenario, call: Call): string | number {
  const route = routeOf(scenario, call);
  if (route === undefined) return 404;
  switch (route.action.kind) {
    case 'forward':
      return route.action.chooseCluster(request(call), call.random ?? 0).name;
    case 'direct-response':
      return route.action.status;
    case 'redirect':
      return 'redirect';
    case 'non-forwarding':
      return 404;
  }
}

export function routeOf(scenario: Scenario, call: Call): CompiledRoute | undefined {
  const { snapshot, proxy } = build(scenario);
  const [generated] = generateRoutes(snapshot, proxy, [call.via]);
  if (generated === undefined) return undefined;
  return compileRouteTable(generated.message).route(request(call), { info: streamInfo({}), random: call.random ?? 0 });
}

/** Whether the RBAC filters of the workload's port let a call in. */
export function admitted(scenario: Scenario, call: Omit<Call, 'via'>, caller: Caller): boolean {
  const { snapshot, proxy } = build(scenario);
  const listener = generateListeners(snapshot, proxy).find(({ name }) => name === 'virtualInbound');
  if (listener === undefined) throw new Error('no virtualInbound listener');
  const info = streamInfo(caller);
  return rbacFilters(listener.message).every((filter) => filter.evaluate(request(call), info).allowed);
}

function rbacFilters(listener: Listener) {
  const manager = listener.filterChains
    .filter((chain) => chain.filterChainMatch?.destinationPort === 8080)
    .flatMap((chain) => chain.filters.map(({ configType }) => configType))
    .map((config) => (config.case === 'typedConfig' ? anyUnpack(config.value, HttpConnectionManagerSchema) : undefined))
    .find((unpacked) => unpacked !== undefined);
  return (manager?.httpFilters ?? []).flatMap(({ configType }) => {
    const rbac = configType.case === 'typedConfig' ? anyUnpack(configType.value, RBACSchema) : undefined;
    return rbac?.rules === undefined ? [] : [compileRbac(rbac.rules)];
  });
}

function request(call: Omit<Call, 'via'>) {
  return {
    method: call.method ?? 'GET',
    path: call.path ?? '/',
    authority: call.host,
    scheme: 'http' as const,
    headers: call.headers ?? [],
    version: 'HTTP/1.1' as const,
  };
}

function streamInfo(caller: Caller): StreamInfo {
  const { identity } = caller;
  return createStreamInfo(
    {
      id: 1,
      remoteAddress: '10.244.0.77',
      remotePort: 40_000,
      localAddress: '10.244.0.1',
      localPort: caller.port ?? 8080,
      requestedServerName: '',
      listenerName: '',
      filterChainName: '',
      direction: 'inbound',
      ...(identity === undefined ? {} : { tls: { version: 'TLSv1.3', cipher: '', alpn: '', peer: certificate(identity) } }),
    },
    0,
    0,
  );
}

function certificate(identity: string) {
  return { uriSans: [identity], dnsSans: [], subject: '', sha256: '', pem: '' };
}
