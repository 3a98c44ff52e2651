import { type DescMessage, fromJson, type JsonValue, type MessageShape, type Registry, toJson } from '@bufbuild/protobuf';
import { errorText } from '@xebec/core';
import { placedProxy, proxyFromNode } from '@xebec/model';
import { ClusterSchema } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import { type Node, NodeSchema } from '@xebec/protos/envoy/config/core/v3/base';
import { ClusterLoadAssignmentSchema } from '@xebec/protos/envoy/config/endpoint/v3/endpoint';
import { ListenerSchema } from '@xebec/protos/envoy/config/listener/v3/listener';
import { RouteConfigurationSchema } from '@xebec/protos/envoy/config/route/v3/route';
import { createProtoRegistry } from '@xebec/protos/registry';
import { type ConfigReference, type Generated, generateAll } from '@xebec/translate';
import { CommandFailure, EXIT } from '../exit.ts';
import { meshOfFiles, readText } from '../offline/mesh-files.ts';

export interface XdsOptions {
  readonly file: readonly string[];
  readonly meshConfig?: string;
  readonly node: string;
  readonly output: string;
  readonly provenance?: boolean;
}

function readNode(file: string, registry: Registry): Node {
  try {
    return fromJson(NodeSchema, JSON.parse(readText(file, 'node')), { registry });
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

export function run(options: XdsOptions): void {
  if (options.output !== 'json') throw new CommandFailure(`-o ${options.output} is not an output format; use json`, EXIT.usage);
  const registry = createProtoRegistry();
  const node = readNode(options.node, registry);
  const proxy = proxyFromNode(node);
  if (!proxy.ok) throw new CommandFailure(`node ${options.node}: ${proxy.error}`, EXIT.data);
  const { snapshot, problems } = meshOfFiles(options.file, { meshConfigFile: options.meshConfig, planned: false });
  // As in Pilot, a wrong object does not spoil the others; the exit code tells that something was left out.
  for (const problem of problems) console.error(`Error: left out: ${problem}`);
  if (problems.length > 0) process.exitCode = EXIT.data;
  const resources = generateAll(snapshot, placedProxy(snapshot, proxy.value));
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
