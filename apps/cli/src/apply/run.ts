import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type KubernetesObject, KubernetesObjectApi, PatchStrategy } from '@kubernetes/client-node';
import { readYamlObjects } from '@xebec/config';
import { errorText, systemClock } from '@xebec/core';
import { isMeshGroup } from '@xebec/schemas';
import { CommandFailure, EXIT } from '../exit.ts';
import { defaultNamespace, type KubeOptions, loadKubeConfig } from '../kube/connection.ts';
import { findPilots } from '../pilot/debug.ts';
import { type AwaitedObject, awaitObjects, parseTimeout, report } from '../pilot/progress.ts';

export interface ApplyOptions extends KubeOptions {
  readonly filename: readonly string[];
  readonly recursive?: boolean;
  readonly wait?: boolean;
  readonly timeout: string;
  readonly output: string;
  readonly istioNamespace: string;
}

const FIELD_MANAGER = 'xebec';

export async function run(options: ApplyOptions): Promise<void> {
  if (options.output !== 'short' && options.output !== 'json')
    throw new CommandFailure(`-o ${options.output} is not an output format; use short or json`, EXIT.usage);
  const timeoutMs = parseTimeout(options.timeout);
  const config = loadKubeConfig(options);
  const namespace = defaultNamespace(config, options);
  const objects = readObjects(options);
  const api = KubernetesObjectApi.makeApiClient(config);
  const awaited: AwaitedObject[] = [];
  for (const { object, file, line } of objects) {
    // The server ignores a namespace for kinds that have none.
    const whole = { ...object, metadata: { ...object.metadata, namespace: object.metadata?.namespace ?? namespace } };
    const what = `${object.kind} ${whole.metadata.namespace}/${object.metadata?.name ?? ''}`;
    let applied: KubernetesObject;
    try {
      applied = await api.patch(whole, undefined, undefined, FIELD_MANAGER, true, PatchStrategy.ServerSideApply);
    } catch (error) {
      throw new CommandFailure(`${file}:${line}: ${what}: ${messageOf(error)}`);
    }
    const { kind = '', metadata } = applied;
    if (options.output === 'short') process.stdout.write(`${what} applied\n`);
    if (isMeshGroup(object.apiVersion ?? ''))
      awaited.push({
        kind,
        namespace: metadata?.namespace ?? '',
        name: metadata?.name ?? '',
        generation: metadata?.generation ?? 0,
      });
  }
  if (options.wait !== true) {
    if (options.output === 'json') process.stdout.write(`${JSON.stringify(awaited, null, 2)}\n`);
    return;
  }
  const end = systemClock.monotonic() + timeoutMs;
  const pilots = await findPilots(config, options.istioNamespace);
  const states = await awaitObjects(pilots, awaited, { remainingMs: () => end - systemClock.monotonic() });
  report(states, options.output);
}

interface ReadObject {
  readonly object: KubernetesObject;
  readonly file: string;
  readonly line: number;
}

function readObjects({ filename, recursive }: ApplyOptions): readonly ReadObject[] {
  const found = filename
    .flatMap((path) => filesOf(path, recursive === true))
    .flatMap((file) => {
      const { objects, problems } = readYamlObjects(readFile(file));
      const [problem] = problems;
      if (problem !== undefined) throw new CommandFailure(`${file}:${problem.line}: ${problem.message}`, EXIT.data);
      return objects.map(({ value, line }) => {
        if (!isKubernetesObject(value))
          throw new CommandFailure(`${file}:${line}: not a Kubernetes object: it needs apiVersion, kind and metadata.name`, EXIT.data);
        return { object: value, file, line };
      });
    });
  if (found.length === 0) throw new CommandFailure(`${filename.join(', ')}: no objects there`, EXIT.data);
  return found;
}

function filesOf(path: string, recursive: boolean): readonly string[] {
  if (path === '-') return [path];
  try {
    if (!statSync(path).isDirectory()) return [path];
    return readdirSync(path, { withFileTypes: true })
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .flatMap((entry) => {
        const full = join(path, entry.name);
        if (entry.isDirectory()) return recursive ? filesOf(full, true) : [];
        return /\.(ya?ml|json)$/.test(entry.name) ? [full] : [];
      });
  } catch (error) {
    throw new CommandFailure(`${path}: cannot read: ${errorText(error)}`, EXIT.data);
  }
}

function readFile(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    throw new CommandFailure(`${file}: cannot read: ${errorText(error)}`, EXIT.data);
  }
}

function isKubernetesObject(value: unknown): value is KubernetesObject {
  if (typeof value !== 'object' || value === null || !('apiVersion' in value) || !('kind' in value) || !('metadata' in value)) return false;
  const { metadata } = value;
  return typeof metadata === 'object' && metadata !== null && 'name' in metadata && typeof metadata.name === 'string';
}

/** The `message` of a Kubernetes Status in an API failure. */
function messageOf(error: unknown): string {
  const body = typeof error === 'object' && error !== null && 'body' in error ? error.body : undefined;
  try {
    const status: unknown = typeof body === 'string' ? JSON.parse(body) : body;
    if (typeof status === 'object' && status !== null && 'message' in status) return String(status.message);
  } catch {
    // The body is not a Status: the error's own text has to do.
  }
  return errorText(error);
}
