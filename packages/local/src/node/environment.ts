import type { V1Container, V1EnvVar, V1Pod, V1Service } from '@kubernetes/client-node';
import { XebecError } from '@xebec/core';

/** Objects that environment and volumes refer to. */
export interface ObjectSource {
  configMap(namespace: string, name: string): Readonly<Record<string, string>> | undefined;
  /** Values decoded from base64. */
  secret(namespace: string, name: string): Readonly<Record<string, Buffer>> | undefined;
}

/** What downward fields resolve to; the pod's own status may lag behind the node. */
export interface PodFacts {
  readonly podIp: string;
  readonly hostIp: string;
  readonly nodeName: string;
}

/** A reference to an object that does not exist yet: the container waits with CreateContainerConfigError. */
export class MissingReference extends XebecError {
  constructor(message: string) {
    super('E_POD_REFERENCE', message);
  }
}

/** The environment of a container: envFrom, then env in order with `$(VAR)` expansion, over the base that the node gives. */
export function containerEnvironment(
  pod: V1Pod,
  container: V1Container,
  base: Readonly<Record<string, string>>,
  source: ObjectSource,
  facts: PodFacts,
): Record<string, string> {
  const env: Record<string, string> = { ...base };
  const namespace = pod.metadata?.namespace ?? '';
  for (const from of container.envFrom ?? []) {
    const reference = from.configMapRef ?? from.secretRef;
    if (reference?.name === undefined) continue;
    const data = from.configMapRef === undefined ? source.secret(namespace, reference.name) : source.configMap(namespace, reference.name);
    const kind = from.configMapRef === undefined ? 'secret' : 'configmap';
    if (data === undefined) {
      if (reference.optional === true) continue;
      throw new MissingReference(`${kind} "${reference.name}" not found`);
    }
    for (const [key, value] of Object.entries(data)) env[`${from.prefix ?? ''}${key}`] = value.toString('utf8');
  }
  for (const entry of container.env ?? []) {
    const value = entry.valueFrom === undefined ? expand(entry.value ?? '', env) : fromReference(pod, container, entry, source, facts);
    if (value !== undefined) env[entry.name] = value;
  }
  return env;
}

function fromReference(pod: V1Pod, container: V1Container, entry: V1EnvVar, source: ObjectSource, facts: PodFacts): string | undefined {
  const namespace = pod.metadata?.namespace ?? '';
  const from = entry.valueFrom;
  if (from?.fieldRef !== undefined) return fieldValue(pod, from.fieldRef.fieldPath, facts);
  if (from?.resourceFieldRef !== undefined)
    return resourceValue(pod, container, from.resourceFieldRef.resource, from.resourceFieldRef.containerName);
  const reference = from?.configMapKeyRef ?? from?.secretKeyRef;
  if (reference?.name === undefined) return undefined;
  const isSecret = from?.configMapKeyRef === undefined;
  const value = isSecret
    ? source.secret(namespace, reference.name)?.[reference.key]
    : source.configMap(namespace, reference.name)?.[reference.key];
  if (value === undefined && reference.optional !== true) {
    throw new MissingReference(`couldn't find key ${reference.key} in ${isSecret ? 'Secret' : 'ConfigMap'} ${namespace}/${reference.name}`);
  }
  return value?.toString('utf8');
}

/** A downward API field: `metadata.labels['app']`, `status.podIP`, … Unknown paths give an empty string. */
export function fieldValue(pod: V1Pod, path: string, facts: PodFacts): string {
  const entry = /^metadata\.(labels|annotations)\['([^']+)'\]$/.exec(path);
  if (entry !== null) return (entry[1] === 'labels' ? pod.metadata?.labels : pod.metadata?.annotations)?.[entry[2] ?? ''] ?? '';
  switch (path) {
    case 'metadata.name':
      return pod.metadata?.name ?? '';
    case 'metadata.namespace':
      return pod.metadata?.namespace ?? '';
    case 'metadata.uid':
      return pod.metadata?.uid ?? '';
    case 'metadata.labels':
      return quotedMap(pod.metadata?.labels ?? {});
    case 'metadata.annotations':
      return quotedMap(pod.metadata?.annotations ?? {});
    case 'spec.nodeName':
      return facts.nodeName;
    case 'spec.serviceAccountName':
      return pod.spec?.serviceAccountName ?? 'default';
    case 'status.podIP':
    case 'status.podIPs':
      return facts.podIp;
    case 'status.hostIP':
    case 'status.hostIPs':
      return facts.hostIp;
    default:
      return '';
  }
}

function quotedMap(map: Readonly<Record<string, string>>): string {
  return Object.entries(map)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join('\n');
}

const UNITS: Readonly<Record<string, number>> = { m: 1e-3, k: 1e3, M: 1e6, G: 1e9, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30 };

/** `limits.cpu` in whole cores rounded up, `limits.memory` in bytes; 0 where nothing is set. */
function resourceValue(pod: V1Pod, container: V1Container, resource: string, name?: string): string {
  const owner = name === undefined ? container : (pod.spec?.containers.find((candidate) => candidate.name === name) ?? container);
  const [list, unit] = resource.split('.');
  const text = (list === 'requests' ? owner.resources?.requests : owner.resources?.limits)?.[unit ?? ''];
  const match = /^([\d.]+)(m|k|M|G|Ki|Mi|Gi)?$/.exec(text ?? '0');
  return String(Math.ceil(Number(match?.[1] ?? '0') * (UNITS[match?.[2] ?? ''] ?? 1)));
}

/** `$(NAME)` becomes the variable's value, `$$(NAME)` stays as `$(NAME)`, an unknown name stays as it is. */
export function expand(text: string, env: Readonly<Record<string, string>>): string {
  return text.replaceAll(/\$(\$|\(([A-Za-z_.-][A-Za-z0-9_.-]*)\))/g, (whole, inner: string, name: string | undefined) =>
    inner === '$' ? '$' : (env[name ?? ''] ?? whole),
  );
}

/** `REVIEWS_SERVICE_HOST` and its kin for the services of one namespace. `address` overrides the cluster address. */
export function serviceEnvironment(services: readonly V1Service[], namespace: string, address?: string): Record<string, string> {
  const env: Record<string, string> = {};
  for (const service of services) {
    const clusterIp = service.spec?.clusterIP;
    const first = service.spec?.ports?.[0];
    if (service.metadata?.namespace !== namespace || clusterIp === undefined || clusterIp === 'None' || first === undefined) continue;
    const host = address ?? clusterIp;
    const name = (service.metadata.name ?? '').toUpperCase().replaceAll('-', '_');
    env[`${name}_SERVICE_HOST`] = host;
    env[`${name}_SERVICE_PORT`] = String(first.port);
    for (const port of service.spec?.ports ?? []) {
      if (port.name !== undefined) env[`${name}_SERVICE_PORT_${port.name.toUpperCase().replaceAll('-', '_')}`] = String(port.port);
      env[`${name}_PORT_${port.port}_${port.protocol ?? 'TCP'}_ADDR`] = host;
    }
    env[`${name}_PORT`] = `tcp://${host}:${first.port}`;
  }
  return env;
}
