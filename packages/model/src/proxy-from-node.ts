import { err, ok, type Result } from '@xebec/core';
import type { MeshProxy } from './proxy.ts';

/** The part of Envoy's `core.v3.Node` that is read; the generated message has this shape. */
export interface XdsNode {
  readonly id: string;
  readonly cluster?: string;
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
  readonly locality?: { readonly region: string; readonly zone: string; readonly subZone: string } | undefined;
  readonly extensions: readonly { readonly name: string }[];
  readonly userAgentName?: string;
}

/**
 * Reads the node of an xDS request.
 *
 * The id has four parts, `type~address~name.namespace~domain` (Istio `pilot/pkg/model`); everything else comes from the
 * node's metadata. Returns one line that says what is wrong with the node.
 */
export function proxyFromNode(node: XdsNode): Result<MeshProxy, string> {
  const parts = node.id.split('~');
  const [type, address, instance, domain] = parts;
  if (parts.length !== 4 || type === undefined || address === undefined || instance === undefined || domain === undefined)
    return err(`node id "${node.id}" has ${parts.length} parts; it must be type~address~name.namespace~domain`);
  if (type !== 'sidecar' && type !== 'router') return err(`node id "${node.id}" has type "${type}"; it must be sidecar or router`);
  const metadata = node.metadata ?? {};
  const addresses = text(metadata.INSTANCE_IPS)
    .split(',')
    .filter((entry) => entry !== '');
  if (addresses.length === 0 && address !== '') addresses.push(address);
  if (addresses.length === 0) return err(`node id "${node.id}" has no address and metadata INSTANCE_IPS is empty`);
  const dot = instance.lastIndexOf('.');
  const name = dot < 0 ? instance : instance.slice(0, dot);
  const namespace = text(metadata.NAMESPACE) || (dot < 0 ? (domain.split('.')[0] ?? '') : instance.slice(dot + 1));
  if (namespace === '') return err(`node id "${node.id}" names no namespace; write name.namespace or set metadata NAMESPACE`);
  const mode = text(metadata.INTERCEPTION_MODE) || 'REDIRECT';
  if (mode !== 'REDIRECT' && mode !== 'TPROXY' && mode !== 'NONE')
    return err(`node "${node.id}" has INTERCEPTION_MODE "${mode}"; it must be REDIRECT, TPROXY or NONE`);
  const labels = stringMap(metadata.LABELS);
  return ok({
    id: node.id,
    type,
    name: text(metadata.NAME) || name,
    cluster: node.cluster ?? '',
    namespace,
    addresses,
    domain,
    labels,
    annotations: stringMap(metadata.ANNOTATIONS),
    serviceAccount: text(metadata.SERVICE_ACCOUNT) || 'default',
    clusterId: text(metadata.CLUSTER_ID) || 'Kubernetes',
    meshId: text(metadata.MESH_ID) || 'cluster.local',
    network: text(metadata.NETWORK),
    locality: {
      region: node.locality?.region ?? '',
      zone: node.locality?.zone ?? '',
      subzone: node.locality?.subZone ?? '',
    },
    interceptionMode: mode,
    appAddress: text(metadata.XEBEC_APP_ADDRESS) || '127.0.0.1',
    extensions: new Set(node.extensions.map((extension) => extension.name)),
    flavour: flavourOf(metadata, node.userAgentName ?? ''),
    metadata,
  });
}

function flavourOf(metadata: Readonly<Record<string, unknown>>, userAgent: string): MeshProxy['flavour'] {
  if (metadata.GENERATOR === 'grpc' || userAgent.toLowerCase().startsWith('grpc')) return 'grpc';
  return userAgent === 'xebec' ? 'xebec' : 'envoy';
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function stringMap(value: unknown): Record<string, string> {
  const out: Record<string, string> = {};
  if (typeof value !== 'object' || value === null) return out;
  for (const [key, entry] of Object.entries(value)) if (typeof entry === 'string') out[key] = entry;
  return out;
}
