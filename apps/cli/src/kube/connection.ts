import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { CoreV1Api, Exec, KubeConfig, type V1Pod } from '@kubernetes/client-node';
import { errorText } from '@xebec/core';
import { CommandFailure } from '../exit.ts';

export interface KubeOptions {
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly namespace?: string;
}

/** `--kubeconfig`, then KUBECONFIG, then the demo's in this folder, then the user's default. */
export function loadKubeConfig(options: KubeOptions): KubeConfig {
  const config = new KubeConfig();
  const local = join(process.cwd(), '.xebec/kubeconfig');
  const file = options.kubeconfig ?? (process.env['KUBECONFIG'] === undefined && existsSync(local) ? local : undefined);
  try {
    if (file === undefined) config.loadFromDefault();
    else config.loadFromFile(file);
    if (options.context !== undefined) config.setCurrentContext(options.context);
  } catch (error) {
    throw new CommandFailure(`cannot read kubeconfig ${file ?? process.env['KUBECONFIG'] ?? '~/.kube/config'}: ${errorText(error)}`);
  }
  if (config.getCurrentCluster() === null)
    throw new CommandFailure('no cluster to talk to: start one with "xebec up", or name a kubeconfig with --kubeconfig');
  return config;
}

export function defaultNamespace(config: KubeConfig, options: KubeOptions): string {
  return options.namespace ?? config.getContextObject(config.getCurrentContext())?.namespace ?? 'default';
}

/** Turns a failed API call into one line that names the server. */
export async function callApi<T>(config: KubeConfig, call: Promise<T>, what: string): Promise<T> {
  try {
    return await call;
  } catch (error) {
    const server = config.getCurrentCluster()?.server ?? 'the API server';
    const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
    if (code === 404) throw new CommandFailure(`${what} not found`);
    throw new CommandFailure(`${what}: ${server} does not answer as it should: ${errorText(error)}`);
  }
}

/** A pod by `name`, `name.namespace` or `deployment/name`-like prefix of its workload. */
export async function findPod(config: KubeConfig, reference: string, namespace: string): Promise<V1Pod> {
  const api = config.makeApiClient(CoreV1Api);
  const dot = reference.indexOf('.');
  const name = (dot > 0 ? reference.slice(0, dot) : reference).replace(/^(pod|deployment|deploy)s?\//, '');
  const wanted = dot > 0 ? reference.slice(dot + 1) : namespace;
  const { items } = await callApi(config, api.listNamespacedPod({ namespace: wanted }), `pods of namespace ${wanted}`);
  const running = items.filter((pod) => pod.metadata?.deletionTimestamp === undefined);
  const exact =
    running.find((pod) => pod.metadata?.name === name) ?? running.find((pod) => pod.metadata?.generateName?.startsWith(`${name}-`));
  if (exact !== undefined) return exact;
  const names = running.map((pod) => pod.metadata?.name).join(', ');
  throw new CommandFailure(`pod "${name}" not found in namespace ${wanted}; there are: ${names === '' ? 'none' : names}`);
}

class Collector extends Writable {
  readonly chunks: Buffer[] = [];
  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.chunks.push(chunk);
    done();
  }
  text(): string {
    return Buffer.concat(this.chunks).toString('utf8');
  }
}

/** Runs a command in a container and returns what it printed; fails with its error output. */
export async function execInPod(config: KubeConfig, pod: V1Pod, container: string, command: readonly string[]): Promise<string> {
  const out = new Collector();
  const errors = new Collector();
  const namespace = pod.metadata?.namespace ?? 'default';
  const name = pod.metadata?.name ?? '';
  await new Promise<void>((resolve, reject) => {
    new Exec(config)
      .exec(namespace, name, container, [...command], out, errors, null, false, (status) => {
        if (status.status === 'Success') resolve();
        else
          reject(new CommandFailure(`${command.join(' ')} in ${name}.${namespace}: ${errors.text().trim() || status.message || 'failed'}`));
      })
      .catch((error: unknown) => reject(new CommandFailure(`cannot exec in ${name}.${namespace}: ${errorText(error)}`)));
  });
  return out.text();
}

/** The container of a pod that holds the proxy. */
export function proxyContainer(pod: V1Pod): string {
  const names = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])].map((container) => container.name);
  if (!names.includes('istio-proxy'))
    throw new CommandFailure(`pod "${pod.metadata?.name}" has no sidecar: it has no container istio-proxy`);
  return 'istio-proxy';
}

/** Asks the admin interface of a pod's proxy. */
export function proxyAdmin(config: KubeConfig, pod: V1Pod, method: 'GET' | 'POST', path: string): Promise<string> {
  return execInPod(config, pod, proxyContainer(pod), ['xebec-proxy', 'request', method, path]);
}
