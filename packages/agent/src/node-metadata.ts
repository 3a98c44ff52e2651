import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { XebecError } from '@xebec/core';
import { type BootstrapNode, metadataFromEnvironment, nodeId } from '@xebec/injection';

/** Reads a downward-API file of labels or annotations: `key="value"` a line, the value quoted as Go quotes. */
export function parsePodInfo(text: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const line of text.split('\n')) {
    const equals = line.indexOf('=');
    if (equals <= 0) continue;
    const raw = line.slice(equals + 1).trim();
    try {
      const value: unknown = JSON.parse(raw);
      found[line.slice(0, equals)] = typeof value === 'string' ? value : raw;
    } catch {
      found[line.slice(0, equals)] = raw.replace(/^"|"$/g, '');
    }
  }
  return found;
}

/** The Node that identifies this proxy to the pilot: ID, cluster and metadata, as pilot-agent forms them. */
export function readNode(role: 'sidecar' | 'router', env: NodeJS.ProcessEnv, cwd: string, version: string): BootstrapNode {
  const name = env['POD_NAME'] ?? 'localhost';
  const namespace = env['POD_NAMESPACE'] ?? 'default';
  const addresses = (env['INSTANCE_IP'] ?? '127.0.0.1').split(',');
  const labels = readInfo(join(cwd, 'etc/istio/pod/labels'));
  const fromEnv = metadataFromEnvironment(env);
  const metadata: Record<string, unknown> = {
    NAME: name,
    NAMESPACE: namespace,
    SERVICE_ACCOUNT: env['SERVICE_ACCOUNT'] ?? 'default',
    INSTANCE_IPS: addresses.join(','),
    ISTIO_VERSION: version,
    LABELS: labels,
    ANNOTATIONS: readInfo(join(cwd, 'etc/istio/pod/annotations')),
    ENVOY_STATUS_PORT: 15021,
    ENVOY_PROMETHEUS_PORT: 15090,
    ...(env['XEBEC_APP_ADDRESS'] === undefined ? {} : { XEBEC_APP_ADDRESS: env['XEBEC_APP_ADDRESS'] }),
    ...fromEnv,
    PROXY_CONFIG: parseJsonObject(env['PROXY_CONFIG']),
  };
  // A list that comes as JSON text in a plain variable.
  if (typeof fromEnv['POD_PORTS'] === 'string') metadata['POD_PORTS'] = parseJson(fromEnv['POD_PORTS']) ?? [];
  const application = labels['service.istio.io/canonical-name'] ?? labels['app'] ?? name;
  const id = nodeId({ type: role, ip: addresses[0] ?? '127.0.0.1', podName: name, namespace });
  return { id, cluster: `${application}.${namespace}`, metadata };
}

/** The object that a JSON text holds; an empty one for anything else. */
export function parseJsonObject(text: string | undefined): Readonly<Record<string, unknown>> {
  const value = text === undefined ? undefined : parseJson(text);
  // Checked to be an object; its fields stay unknown.
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * Empty where there is no such file. Any other failure is one: a proxy without its labels would be taken for another.
 * Asking first whether the file exists would answer no where only a capability lets this user read it.
 */
function readInfo(file: string): Record<string, string> {
  try {
    return parsePodInfo(readFileSync(file, 'utf8'));
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && (cause.code === 'ENOENT' || cause.code === 'ENOTDIR')) return {};
    throw new XebecError('E_POD_INFO', `cannot read ${file}; check who may read the pod's volumes`, { cause });
  }
}
