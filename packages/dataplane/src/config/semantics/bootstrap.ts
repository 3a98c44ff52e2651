import { XebecError } from '@xebec/core';
import type { Bootstrap } from '@xebec/protos/envoy/config/bootstrap/v3/bootstrap';
import type { Listener } from '@xebec/protos/envoy/config/listener/v3/listener';
import { FixedHeapConfigSchema } from '@xebec/protos/envoy/extensions/resource_monitors/fixed_heap/v3/fixed_heap';
import { checkCluster } from './cluster.ts';
import { checkListener } from './listener.ts';
import { inside, isIpAddress, refuse, requireTypedConfig } from './refuse.ts';

/** What Envoy refuses of a bootstrap beyond `validate.rules`. Throws XebecError `E_CONFIG`. */
export function checkBootstrap(bootstrap: Bootstrap): void {
  const socket = bootstrap.admin?.address?.address;
  if (socket?.case === 'socketAddress' && !isIpAddress(socket.value.address)) refuse(`malformed IP address: ${socket.value.address}`);
  checkRuntime(bootstrap);
  for (const sink of bootstrap.statsSinks) requireTypedConfig(sink, sink.configType.value);
  for (const { configSourceSpecifier } of bootstrap.configSources)
    if (configSourceSpecifier.case !== 'apiConfigSource')
      refuse('Only api_config_source type is currently supported for xdstp-based config sources.');
  for (const { configType } of bootstrap.overloadManager?.resourceMonitors ?? []) {
    const heap = inside(configType.value, FixedHeapConfigSchema);
    if (heap?.maxHeapSizeBytes === 0n && heap.maxHeapSizeBytesRuntime === undefined)
      refuse('fixed_heap: max heap size must be greater than 0');
  }
  for (const { name } of bootstrap.overloadManager?.actions ?? [])
    if (!overloadActions.has(name)) refuse(`Unknown Overload Manager Action ${name}`);
  checkStats(bootstrap);
  const clusters = bootstrap.staticResources?.clusters ?? [];
  const names = new Set(clusters.map(({ name }) => name));
  const local = bootstrap.clusterManager?.localClusterName ?? '';
  if (local !== '' && !names.has(local)) refuse(`local cluster '${local}' must be defined`);
  for (const cluster of clusters) named(`static_resources.clusters "${cluster.name}"`, () => checkCluster(cluster));
  const listeners = bootstrap.staticResources?.listeners ?? [];
  for (const listener of listeners) {
    named(`static_resources.listeners "${listener.name}"`, () => checkListener(listener, (name) => names.has(name)));
  }
  checkAddresses(listeners);
}

const overloadActions = new Set(
  [
    ...['stop_accepting_requests', 'disable_http_keepalive', 'stop_accepting_connections', 'reject_incoming_connections'],
    ...['shrink_heap', 'reduce_timeouts', 'reset_high_memory_stream'],
  ].map((name) => `envoy.overload_actions.${name}`),
);

function named(where: string, check: () => void): void {
  try {
    check();
  } catch (cause) {
    throw cause instanceof XebecError ? new XebecError(cause.code, `${where}: ${cause.message}`, { cause }) : cause;
  }
}

function checkRuntime({ layeredRuntime }: Bootstrap): void {
  const names = new Set<string>();
  let admins = 0;
  for (const { name, layerSpecifier } of layeredRuntime?.layers ?? []) {
    if (names.has(name)) refuse(`Duplicate layer name: ${name}`);
    names.add(name);
    if (layerSpecifier.case === 'adminLayer') admins++;
  }
  if (admins > 1) refuse('Too many admin layers specified in LayeredRuntime, at most one may be specified');
}

/** Tags whose expression Envoy brings itself. */
const builtInTags = new Set(
  ['cluster_name', 'listener_address', 'http_conn_manager_prefix', 'http_conn_manager_listener_prefix', 'http_user_agent', 'ssl_cipher']
    .concat(['cipher_suite', 'ssl_version', 'ssl_curve', 'ssl_sigalg', 'response_code', 'response_code_class', 'tcp_prefix', 'udp_prefix'])
    .concat([
      'client_id',
      'ratelimit_prefix',
      'auth_prefix',
      'grpc_bridge_service',
      'grpc_bridge_method',
      'vhost',
      'vcluster',
      'virtual_host',
    ])
    .concat([
      'virtual_cluster',
      'route',
      'fault_downstream_cluster',
      'dynamo_operation',
      'dynamo_table',
      'dynamo_partition_id',
      'worker_id',
    ])
    .concat([
      'mongo_prefix',
      'mongo_cmd',
      'mongo_collection',
      'mongo_callsite',
      'dns_filter_prefix',
      'connection_limit_prefix',
      'rds_route_config',
    ])
    .concat(['scoped_rds_config', 'local_http_ratelimit_prefix', 'local_network_ratelimit_prefix', 'local_listener_ratelimit_prefix'])
    .concat([
      'rbac_prefix',
      'rbac_http_prefix',
      'rbac_policy_name',
      'tls_certificate',
      'xds_authority',
      'xds_resource_name',
      'proxy_protocol_version',
    ])
    .concat(['proxy_protocol_prefix', 'ext_authz_prefix', 'thrift_prefix', 'redis_prefix', 'google_grpc_client_prefix', 'zookeeper_prefix'])
    .map((name) => `envoy.${name}`),
);

function checkStats({ statsConfig }: Bootstrap): void {
  for (const { tagName, tagValue } of statsConfig?.statsTags ?? []) {
    if (tagValue.case === 'regex' && tagValue.value !== '') {
      try {
        new RegExp(tagValue.value);
      } catch {
        refuse(`Invalid regex '${tagValue.value}' of stats tag '${tagName}'`);
      }
    } else if (tagValue.case !== 'fixedValue' && tagName !== '' && !builtInTags.has(tagName))
      refuse(`No regex specified for tag specifier and no default regex for name: '${tagName}'`);
  }
}

function checkAddresses(listeners: readonly Listener[]): void {
  const seen = new Set<string>();
  for (const { address, name, bindToPort } of listeners) {
    const socket = address?.address;
    if (socket?.case !== 'socketAddress' || bindToPort === false) continue;
    const { portSpecifier, protocol } = socket.value;
    if (portSpecifier.case !== 'portValue' || portSpecifier.value === 0) continue;
    const text = `${socket.value.address}:${portSpecifier.value}`;
    if (seen.has(`${text}/${protocol}`)) refuse(`error adding listener: '${name}' has duplicate address '${text}' as existing listener`);
    seen.add(`${text}/${protocol}`);
  }
}
