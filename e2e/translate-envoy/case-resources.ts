import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fromJson, type JsonValue, toJson } from '@bufbuild/protobuf';
import { decodeAny, readYamlObjects } from '@xebec/config';
import { createSnapshot, proxyFromNode } from '@xebec/model';
import { KubernetesRegistry, REGISTRY_KINDS } from '@xebec/platforms';
import { ClusterSchema } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import { NodeSchema } from '@xebec/protos/envoy/config/core/v3/base';
import { ClusterLoadAssignmentSchema } from '@xebec/protos/envoy/config/endpoint/v3/endpoint';
import { ListenerSchema } from '@xebec/protos/envoy/config/listener/v3/listener';
import { RouteConfigurationSchema } from '@xebec/protos/envoy/config/route/v3/route';
import { createProtoRegistry } from '@xebec/protos/registry';
import { decodeMeshConfig } from '@xebec/schemas';
import { generateAll } from '@xebec/translate';
import { parse } from 'yaml';

const root = new URL('../../packages/translate/cases/', import.meta.url);
const registry = createProtoRegistry();

/** `topic/name` of every translation case whose proxy is a stock Envoy. */
export function envoyCases(): string[] {
  const folders = (directory: URL) => readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return folders(root)
    .flatMap((topic) => folders(new URL(`${topic.name}/`, root)).map(({ name }) => `${topic.name}/${name}`))
    .filter((name) => !REFUSED.has(name) && isStock(name));
}

/** Patches that make a chain Envoy refuses, as they ask for: what stands after the router cannot be. */
const REFUSED = new Set(['envoy-filter/http-insert-first-and-add', 'envoy-filter/http-insert-without-anchor']);

/** A proxy that lists filters of Istio's own build gets them. */
function isStock(name: string): boolean {
  const { flavour, extensions } = proxyOf(name);
  return flavour === 'envoy' && ![...extensions].some((extension) => extension.startsWith('istio.'));
}

function proxyOf(name: string) {
  const proxy = proxyFromNode(fromJson(NodeSchema, JSON.parse(readFileSync(new URL(`${name}/node.json`, root), 'utf8')), { registry }));
  if (!proxy.ok) throw new Error(`${name}: ${proxy.error}`);
  return proxy.value;
}

/** All that the proxy of a case gets, as protobuf JSON. */
export function caseResources(name: string): Record<'clusters' | 'listeners' | 'routes' | 'endpoints', JsonValue[]> {
  const directory = new URL(`${name}/`, root);
  const meshFile = new URL('meshconfig.yaml', directory);
  const mesh = decodeMeshConfig(existsSync(meshFile) ? (parse(readFileSync(meshFile, 'utf8')) ?? {}) : {});
  if (!mesh.ok) throw new Error(`${name}: ${JSON.stringify(mesh.error)}`);
  const objects = readYamlObjects(readFileSync(new URL('config.yaml', directory), 'utf8')).objects.flatMap((document) => {
    const decoded = decodeAny(document.value, { defaultNamespace: 'default' });
    return decoded.ok ? (decoded.value ?? []) : [];
  });
  const platform = new KubernetesRegistry('cluster.local');
  platform.apply(
    objects
      .filter(({ kind }) => REGISTRY_KINDS.has(kind))
      .map(({ kind, metadata, spec }) => ({ kind, namespace: metadata.namespace, name: metadata.name, raw: spec })),
  );
  const snapshot = createSnapshot({
    version: 'case',
    mesh: mesh.value,
    ...platform.view(
      mesh.value,
      objects.filter(({ kind }) => !REGISTRY_KINDS.has(kind)),
    ),
  });
  const all = generateAll(snapshot, proxyOf(name));
  return {
    clusters: all.clusters.map(({ message }) => toJson(ClusterSchema, message, { registry })),
    listeners: all.listeners.map(({ message }) => toJson(ListenerSchema, message, { registry })),
    routes: all.routes.map(({ message }) => toJson(RouteConfigurationSchema, message, { registry })),
    endpoints: all.endpoints.map(({ message }) => toJson(ClusterLoadAssignmentSchema, message, { registry })),
  };
}
