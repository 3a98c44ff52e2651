import type { JsonValue } from '@bufbuild/protobuf';
import { XebecError } from '@xebec/core';
import type { Bootstrap } from '@xebec/protos/envoy/config/bootstrap/v3/bootstrap';
import { DownstreamConnectionsConfigSchema } from '@xebec/protos/envoy/extensions/resource_monitors/downstream_connections/v3/downstream_connections';
import { typeNameOf, unpack } from '../config/unpack.ts';
import type { RuntimeNumber } from './connection-limits.ts';

/** Numbers of the bootstrap's static runtime layers; the last layer that has a key wins. */
export function staticRuntime(bootstrap: Bootstrap): RuntimeNumber {
  const values = new Map<string, number>();
  for (const layer of bootstrap.layeredRuntime?.layers ?? []) {
    if (layer.layerSpecifier.case === 'staticLayer') collect(layer.layerSpecifier.value, '', values);
  }
  return (key) => values.get(key);
}

/** Keys may be nested or dotted. */
function collect(value: JsonValue, path: string, values: Map<string, number>): void {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    for (const [key, inner] of Object.entries(value)) collect(inner, path === '' ? key : `${path}.${key}`, values);
    return;
  }
  const number = typeof value === 'number' || typeof value === 'string' ? Number(value) : Number.NaN;
  if (Number.isFinite(number)) values.set(path, number);
}

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
