import { fromBinary, fromJson, type JsonObject, toBinary, toJson } from '@bufbuild/protobuf';
import { type Struct, StructSchema } from '@bufbuild/protobuf/wkt';
import type { NodeInfo } from '../http-filter.ts';

/** Who is at the other end, as Istio's telemetry names workloads. Empty means unknown. */
export interface WorkloadPeer {
  readonly name: string;
  readonly namespace: string;
  readonly workload: string;
  readonly cluster: string;
  readonly app: string;
  readonly version: string;
  readonly canonicalService: string;
  readonly canonicalRevision: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly owner: string;
}

/** `filterState` keys under which peers are kept; logs read them as `%FILTER_STATE(upstream_peer)%`. */
export const downstreamPeerKey = 'downstream_peer';
export const upstreamPeerKey = 'upstream_peer';

export const peerMetadataHeader = 'x-envoy-peer-metadata';
export const peerMetadataIdHeader = 'x-envoy-peer-metadata-id';

/** More base64 than this is not metadata of ours. */
const maxHeaderBytes = 16 * 1024;

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

function labelsOf(value: unknown): Record<string, string> {
  const labels: Record<string, string> = {};
  if (typeof value !== 'object' || value === null) return labels;
  for (const [key, label] of Object.entries(value)) if (typeof label === 'string') labels[key] = label;
  return labels;
}

/** Reads a peer from a node's metadata, whether from bootstrap or from a peer's header. */
export function peerFromMetadata(metadata: Readonly<Record<string, unknown>>): WorkloadPeer {
  const labels = labelsOf(metadata['LABELS']);
  const workload = textOf(metadata['WORKLOAD_NAME']);
  const app = labels['app'] ?? '';
  return {
    name: textOf(metadata['NAME']),
    namespace: textOf(metadata['NAMESPACE']),
    workload,
    cluster: textOf(metadata['CLUSTER_ID']),
    app,
    version: labels['version'] ?? '',
    canonicalService: labels['service.istio.io/canonical-name'] ?? (app || workload),
    canonicalRevision: labels['service.istio.io/canonical-revision'] ?? labels['version'] ?? 'latest',
    labels,
    owner: textOf(metadata['OWNER']),
  };
}

/** The header that tells peers who this proxy is: a base64 protobuf Struct. */
export function encodePeerMetadata(node: NodeInfo): string {
  return Buffer.from(toBinary(StructSchema, peerStruct(node))).toString('base64');
}

/** What a proxy tells of itself: the fields that Istio's filters read. */
export function peerStruct(node: NodeInfo): Struct {
  const own = node.metadata;
  const peer = peerFromMetadata(own);
  const kept: JsonObject = {
    NAME: peer.name,
    NAMESPACE: peer.namespace,
    WORKLOAD_NAME: peer.workload,
    CLUSTER_ID: peer.cluster,
    OWNER: peer.owner,
    LABELS: pickLabels(peer),
  };
  for (const key of ['MESH_ID', 'SERVICE_ACCOUNT']) {
    const value = textOf(own[key]);
    if (value !== '') kept[key] = value;
  }
  return fromJson(StructSchema, kept);
}

function pickLabels(peer: WorkloadPeer): JsonObject {
  const labels: JsonObject = {
    'service.istio.io/canonical-name': peer.canonicalService,
    'service.istio.io/canonical-revision': peer.canonicalRevision,
  };
  if (peer.app !== '') labels['app'] = peer.app;
  if (peer.version !== '') labels['version'] = peer.version;
  return labels;
}

/** The peer that such a header names; undefined when it is not readable. */
export function decodePeerMetadata(value: string): WorkloadPeer | undefined {
  if (value.length > maxHeaderBytes) return undefined;
  try {
    return peerFromStruct(fromBinary(StructSchema, Buffer.from(value, 'base64')));
  } catch {
    return undefined; // Anyone may send this header: what cannot be read is as good as absent.
  }
}

/** Throws where a value of the struct is none. */
export function peerFromStruct(struct: Struct): WorkloadPeer | undefined {
  const metadata = toJson(StructSchema, struct);
  return typeof metadata === 'object' && metadata !== null && !Array.isArray(metadata) ? peerFromMetadata(metadata) : undefined;
}

/** Endpoint metadata `workload;namespace;canonical name;canonical revision;cluster`, which the control plane sets. */
export function peerFromEndpoint(metadata: Readonly<Record<string, unknown>> | undefined): WorkloadPeer | undefined {
  if (metadata === undefined) return undefined;
  const known = ofEndpoints.get(metadata);
  if (known !== undefined) return known;
  const peer = readEndpoint(metadata);
  if (peer !== undefined) ofEndpoints.set(metadata, peer);
  return peer;
}

/** Peers by the metadata that names them, which an endpoint keeps for life. */
const ofEndpoints = new WeakMap<object, WorkloadPeer>();

function readEndpoint(metadata: Readonly<Record<string, unknown>>): WorkloadPeer | undefined {
  const istio = metadata['istio'];
  const text = typeof istio === 'object' && istio !== null ? Reflect.get(istio, 'workload') : undefined;
  if (typeof text !== 'string') return undefined;
  const parts = text.split(';');
  if (parts.length < 5) return undefined;
  const [workload = '', namespace = '', canonicalService = '', canonicalRevision = '', cluster = ''] = parts;
  return {
    name: workload,
    namespace,
    workload,
    cluster,
    // The encoding has no place for the labels `app` and `version`; Istio's metrics say `unknown` then.
    app: '',
    version: '',
    canonicalService,
    canonicalRevision: canonicalRevision || 'latest',
    labels: {},
    owner: '',
  };
}

/** `filterState` key of a peer that may still introduce itself: who reports of it waits. */
export const awaitedPeerKey = (key: typeof downstreamPeerKey | typeof upstreamPeerKey): string => `${key}.awaited`;

/** A peer that a filter has left in filter state. */
export function peerInState(state: ReadonlyMap<string, unknown>, key: string): WorkloadPeer | undefined {
  const value = state.get(key);
  return typeof value === 'object' && value !== null && 'canonicalService' in value ? (value as WorkloadPeer) : undefined; // Only these filters write the key.
}
