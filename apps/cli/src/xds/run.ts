import { existsSync, readFileSync } from 'node:fs';
import { type DescMessage, fromJson, type JsonValue, type MessageShape, type Registry, toJson } from '@bufbuild/protobuf';
import { decodeAny, lineOfField, readYamlObjects } from '@xebec/config';
import { errorText } from '@xebec/core';
import { createSnapshot, type MeshSnapshot, proxyFromNode } from '@xebec/model';
import { KubernetesRegistry, REGISTRY_KINDS } from '@xebec/platforms';
import { ClusterSchema } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import { type Node, NodeSchema } from '@xebec/protos/envoy/config/core/v3/base';
import { ClusterLoadAssignmentSchema } from '@xebec/protos/envoy/config/endpoint/v3/endpoint';
import { ListenerSchema } from '@xebec/protos/envoy/config/listener/v3/listener';
import { RouteConfigurationSchema } from '@xebec/protos/envoy/config/route/v3/route';
import { createProtoRegistry } from '@xebec/protos/registry';
import { type ConfigObject, decodeMeshConfig, type MeshConfig } from '@xebec/schemas';
import { type ConfigReference, type Generated, generateAll } from '@xebec/translate';
import { parse } from 'yaml';
import { CommandFailure, EXIT } from '../exit.ts';

export interface XdsOptions {
  readonly file: readonly string[];
  readonly meshConfig?: string;
  readonly node: string;
  readonly output: string;
  readonly provenance?: boolean;
}

function read(file: string, what: string): string {
  if (!existsSync(file)) throw new CommandFailure(`${what} ${file} does not exist`, EXIT.data);
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new CommandFailure(`cannot read ${what} ${file}: ${errorText(error)}`, EXIT.data);
  }
}

/** Every object of the files. One wrong document fails the whole: offline, half a mesh is no answer. */
function readObjects(files: readonly string[]): ConfigObject[] {
  const problems: string[] = [];
  const objects = files.flatMap((file) => {
    const { objects: documents, problems: broken } = readYamlObjects(read(file, 'file'));
    problems.push(...broken.map(({ line, message }) => `${file}:${line}: ${message}`));
    return documents.flatMap((document) => {
      const decoded = decodeAny(document.value, {
        defaultNamespace: 'default',
        source: { file, line: document.line, fieldLines: document.fieldLines },
      });
      if (decoded.ok) return decoded.value ?? [];
      problems.push(
        ...decoded.error.map(({ path, message }) => `${file}:${lineOfField(document, path)}: ${path === '' ? '' : `${path}: `}${message}`),
      );
      return [];
    });
  });
  if (problems.length > 0) throw new CommandFailure(problems.join('\nError: '), EXIT.data);
  return objects;
}

function readMeshConfig(file: string | undefined): MeshConfig {
  let content: unknown = {};
  if (file !== undefined) {
    try {
      content = parse(read(file, 'mesh config')) ?? {};
    } catch (error) {
      if (error instanceof CommandFailure) throw error;
      throw new CommandFailure(`mesh config ${file}: malformed YAML: ${errorText(error)}`, EXIT.data);
    }
  }
  const decoded = decodeMeshConfig(content);
  if (decoded.ok) return decoded.value;
  throw new CommandFailure(
    decoded.error.map(({ path, message }) => `mesh config ${file}: ${path}: ${message}`).join('\nError: '),
    EXIT.data,
  );
}

function readNode(file: string, registry: Registry): Node {
  try {
    return fromJson(NodeSchema, JSON.parse(read(file, 'node')), { registry });
  } catch (error) {
    if (error instanceof CommandFailure) throw error;
    throw new CommandFailure(`node ${file}: not an Envoy Node in protobuf JSON: ${errorText(error)}`, EXIT.data);
  }
}

function messages<D extends DescMessage>(desc: D, generated: readonly Generated<MessageShape<D>>[], registry: Registry): JsonValue[] {
  return generated.map(({ message }) => toJson(desc, message, { registry }));
}

function provenance(generated: readonly Generated<unknown>[]): Record<string, readonly ConfigReference[]> {
  return Object.fromEntries(generated.map(({ name, provenance: references }) => [name, references]));
}

/** The same snapshot that Pilot would have, from files alone. */
function offlineSnapshot(objects: readonly ConfigObject[], mesh: MeshConfig): MeshSnapshot {
  const registry = new KubernetesRegistry('cluster.local');
  const platform = objects.filter((object) => REGISTRY_KINDS.has(object.kind));
  registry.apply(platform.map(({ kind, metadata, spec }) => ({ kind, namespace: metadata.namespace, name: metadata.name, raw: spec })));
  return createSnapshot({
    version: 'offline',
    mesh,
    namespaces: registry.namespaces(),
    services: registry.services(),
    endpoints: registry.endpoints(),
    config: objects.filter((object) => !REGISTRY_KINDS.has(object.kind)),
    workloads: registry.workloads(),
  });
}

export function run(options: XdsOptions): void {
  if (options.output !== 'json') throw new CommandFailure(`-o ${options.output} is not an output format; use json`, EXIT.usage);
  const registry = createProtoRegistry();
  const node = readNode(options.node, registry);
  const proxy = proxyFromNode(node);
  if (!proxy.ok) throw new CommandFailure(`node ${options.node}: ${proxy.error}`, EXIT.data);
  const snapshot = offlineSnapshot(readObjects(options.file), readMeshConfig(options.meshConfig));
  const resources = generateAll(snapshot, proxy.value);
  const output = {
    clusters: messages(ClusterSchema, resources.clusters, registry),
    listeners: messages(ListenerSchema, resources.listeners, registry),
    routes: messages(RouteConfigurationSchema, resources.routes, registry),
    endpoints: messages(ClusterLoadAssignmentSchema, resources.endpoints, registry),
    secrets: [],
    ...(options.provenance === true
      ? {
          provenance: {
            clusters: provenance(resources.clusters),
            listeners: provenance(resources.listeners),
            routes: provenance(resources.routes),
          },
        }
      : {}),
  };
  process.stdout.write(`${JSON.stringify(output, null, 2)}\n`);
}
