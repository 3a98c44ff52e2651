import { XebecError } from '@xebec/core';
import type { Bootstrap } from '@xebec/protos/envoy/config/bootstrap/v3/bootstrap';
import { DownstreamConnectionsConfigSchema } from '@xebec/protos/envoy/extensions/resource_monitors/downstream_connections/v3/downstream_connections';
import { typeNameOf, unpack } from '../config/unpack.ts';

/** `max_active_downstream_connections` of the overload manager; other monitors and actions are accepted and have no effect. */
export function globalConnectionLimit(bootstrap: Bootstrap): number | undefined {
  for (const monitor of bootstrap.overloadManager?.resourceMonitors ?? []) {
    const any = monitor.configType.value;
    if (any === undefined || typeNameOf(any) !== DownstreamConnectionsConfigSchema.typeName) continue;
    const where = `overload_manager: resource monitor "${monitor.name}"`;
    const max = Number(unpack(any, DownstreamConnectionsConfigSchema, where).maxActiveDownstreamConnections);
    if (max <= 0) throw new XebecError('E_CONFIG', `${where}: max_active_downstream_connections must be greater than 0`);
    return max;
  }
  return undefined;
}
