import { readFile } from 'node:fs/promises';
import { create } from '@bufbuild/protobuf';
import { GuardedListeners } from '@xebec/authz';
import { errorText } from '@xebec/core';
import { findWorkload } from '@xebec/explain';
import { type MeshProxy, proxyFromNode } from '@xebec/model';
import { NodeSchema } from '@xebec/protos/envoy/config/core/v3/base';
import { createProtoRegistry } from '@xebec/protos/registry';
import { generateAll } from '@xebec/translate';
import { CommandFailure, EXIT } from '../exit.ts';
import { defaultNamespace, findPod, type KubeOptions, loadKubeConfig, proxyAdmin } from '../kube/connection.ts';
import { meshOfFiles } from '../offline/mesh-files.ts';
import { parseConfigDump } from '../proxy-config/dump.ts';

export interface LiveProxy {
  readonly listeners: GuardedListeners;
  /** As the proxy introduced itself; a reason where its dump does not say. */
  proxy(): MeshProxy;
}

/** Where the rules of a proxy are read: from a pod unless one of these is there. */
export interface LiveSource extends KubeOptions {
  /** A config dump of a proxy's admin server; `-` for standard input. */
  readonly dumpFile?: string | undefined;
  /** Manifests of a mesh; the reference is a workload of it. */
  readonly manifests?: readonly string[] | undefined;
  readonly meshConfig?: string | undefined;
}

/** What a pod's proxy runs, what a config dump says that one ran, or what the proxy of a workload of manifests would run. */
export async function liveProxy(reference: string | undefined, options: LiveSource): Promise<LiveProxy> {
  if (options.manifests !== undefined) return plannedProxy(reference, options.manifests, options.meshConfig);
  const file = options.dumpFile;
  const registry = createProtoRegistry();
  const text = file === undefined ? await dumpOf(reference, options) : await readDump(file);
  let dump: ReturnType<typeof parseConfigDump>;
  try {
    dump = parseConfigDump(text, registry);
  } catch (error) {
    throw new CommandFailure(`${file ?? reference ?? ''} is not a config dump: ${errorText(error)}`, EXIT.data);
  }
  return {
    listeners: new GuardedListeners(dump.listeners),
    proxy() {
      const proxy = proxyFromNode(dump.bootstrap?.bootstrap?.node ?? create(NodeSchema));
      if (!proxy.ok) throw new CommandFailure(`the config dump does not say whose it is: ${proxy.error}`, EXIT.data);
      return proxy.value;
    },
  };
}

function plannedProxy(reference: string | undefined, manifests: readonly string[], meshConfigFile: string | undefined): LiveProxy {
  if (reference === undefined) throw new CommandFailure('which workload? Name one of the manifests', EXIT.usage);
  const { snapshot, problems } = meshOfFiles(manifests, { meshConfigFile, planned: true });
  if (problems.length > 0) throw new CommandFailure(problems.join('\nError: '), EXIT.data);
  const found = findWorkload(snapshot, reference);
  if (!found.ok) throw new CommandFailure(found.error, EXIT.usage);
  const { proxy } = found.value;
  return { listeners: new GuardedListeners(generateAll(snapshot, proxy).listeners.map(({ message }) => message)), proxy: () => proxy };
}

async function dumpOf(reference: string | undefined, options: KubeOptions): Promise<string> {
  if (reference === undefined) throw new CommandFailure('which proxy? Name a pod, a config dump, or manifests and a workload', EXIT.usage);
  const config = loadKubeConfig(options);
  const pod = await findPod(config, reference, defaultNamespace(config, options));
  return proxyAdmin(config, pod, 'GET', '/config_dump');
}

async function readDump(file: string): Promise<string> {
  return readFile(file === '-' ? '/dev/stdin' : file, 'utf8').catch((error: unknown) => {
    throw new CommandFailure(`${file}: ${errorText(error)}`, EXIT.usage);
  });
}
