import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { decodeAny, readYamlObjects } from '@xebec/config';
import { createSnapshot, placedProxy, proxyFromNode } from '@xebec/model';
import { KubernetesRegistry, REGISTRY_KINDS } from '@xebec/platforms';
import { NodeSchema } from '@xebec/protos/envoy/config/core/v3/base';
import { createProtoRegistry } from '@xebec/protos/registry';
import { type ConfigObject, decodeMeshConfig } from '@xebec/schemas';
import { describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { changes } from './testing/changes.ts';
import { type Rendered, renderSnapshot } from './testing/scenario.ts';

/**
 * `cases/<topic>/<name>/`: `config.yaml` (Kubernetes and Istio objects), `node.json` (the proxy), `meshconfig.yaml` where it
 * matters, and `golden.yaml`: what the Istio objects and mesh settings change in what the proxy gets, and
 * in topics `kubernetes` and `networks` what the Kubernetes objects do. `UPDATE_GOLDENS=1`
 * rewrites the goldens; read the difference before it is committed.
 */
const root = new URL('../cases/', import.meta.url);
const folders = (directory: URL) => readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory());
const cases = folders(root).flatMap((topic) => folders(new URL(`${topic.name}/`, root)).map(({ name }) => `${topic.name}/${name}`));
const registry = createProtoRegistry();

function render(objects: readonly ConfigObject[], meshConfig: unknown, node: JsonValue): Rendered {
  const mesh = decodeMeshConfig(meshConfig);
  if (!mesh.ok) throw new Error(JSON.stringify(mesh.error));
  const proxy = proxyFromNode(fromJson(NodeSchema, node, { registry }));
  if (!proxy.ok) throw new Error(proxy.error);
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
  return renderSnapshot(snapshot, placedProxy(snapshot, proxy.value));
}

/** The golden of a case; objects that are wrong are left out and named. */
function golden(directory: URL): string {
  const read = (file: string) => readFileSync(new URL(file, directory), 'utf8');
  const node: JsonValue = JSON.parse(read('node.json'));
  const { objects: documents, problems } = readYamlObjects(read('config.yaml'));
  const dropped = problems.map(({ line, message }) => `config.yaml:${line}: ${message}`);
  const objects = documents.flatMap((document) => {
    const decoded = decodeAny(document.value, { defaultNamespace: 'default' });
    if (decoded.ok) return decoded.value ?? [];
    dropped.push(...decoded.error.map(({ path, message }) => `config.yaml:${document.line}: ${path}: ${message}`));
    return [];
  });
  const mesh: unknown = existsSync(new URL('meshconfig.yaml', directory)) ? parse(read('meshconfig.yaml')) : {};
  // Cases of the platform itself begin with an empty mesh.
  const platformObjects =
    directory.pathname.match(/\/cases\/(?:kubernetes|networks)\//) !== null ? [] : objects.filter(({ kind }) => REGISTRY_KINDS.has(kind));
  const before = render(platformObjects, {}, node);
  const after = render(objects, mesh ?? {}, node);
  return stringify(
    {
      ...(dropped.length === 0 ? {} : { dropped }),
      clusters: changes(before.clusters, after.clusters),
      listeners: changes(before.listeners, after.listeners),
      routes: changes(before.routes, after.routes),
      endpoints: changes(before.endpoints, after.endpoints),
    },
    { lineWidth: 0, aliasDuplicateObjects: false },
  );
}

describe('cases', () => {
  it.each(cases)('%s', (name) => {
    const directory = new URL(`${name}/`, root);
    const actual = golden(directory);
    const file = new URL('golden.yaml', directory);
    if (process.env['UPDATE_GOLDENS'] === '1') writeFileSync(file, actual);
    expect(actual).toBe(readFileSync(file, 'utf8'));
  });
});
