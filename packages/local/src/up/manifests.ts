import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { XebecError } from '@xebec/core';
import { parseAllDocuments } from 'yaml';
import { type KubeClient, KubeError, type KubeObject } from '../node/kube-client.ts';

/** One document of a manifest file. */
export interface ManifestObject extends KubeObject {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string };
  spec?: unknown;
}

const CLUSTER_SCOPED: ReadonlySet<string> = new Set([
  'Namespace',
  'Node',
  'ClusterRole',
  'ClusterRoleBinding',
  'CustomResourceDefinition',
  'MutatingWebhookConfiguration',
  'ValidatingWebhookConfiguration',
]);

/** Every object in the YAML files of a folder or in one file, in order. Throws XebecError E_MANIFEST with file and line. */
export function readManifests(path: string): ManifestObject[] {
  const files = /\.ya?ml$/.test(path)
    ? [path]
    : reading(path, () => readdirSync(path))
        .filter((name) => /\.ya?ml$/.test(name))
        .sort()
        .map((name) => join(path, name));
  return files.flatMap((file) =>
    parseAllDocuments(reading(file, () => readFileSync(file, 'utf8'))).flatMap((document) => {
      const [problem] = document.errors;
      if (problem !== undefined) throw new XebecError('E_MANIFEST', `${file}:${problem.linePos?.[0].line ?? 1}: ${problem.message}`);
      const value: unknown = document.toJS();
      if (value === null || value === undefined) return [];
      const object = value as Partial<ManifestObject>; // checked field by field on the next line
      if (object.kind === undefined || object.apiVersion === undefined || object.metadata?.name === undefined) {
        throw new XebecError('E_MANIFEST', `${file}: an object lacks apiVersion, kind or metadata.name`);
      }
      return [value as ManifestObject];
    }),
  );
}

function reading<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new XebecError('E_MANIFEST', `cannot read the manifests in ${path}`, { cause });
  }
}

/** The path of an object's collection. */
export function collectionPath(object: ManifestObject, defaultNamespace: string): string {
  const prefix = object.apiVersion.includes('/') ? `/apis/${object.apiVersion}` : `/api/${object.apiVersion}`;
  const lower = object.kind.toLowerCase();
  const plural = /(?:s|x|ch)$/.test(lower)
    ? `${lower}es`
    : lower.endsWith('y') && !lower.endsWith('ay')
      ? `${lower.slice(0, -1)}ies`
      : `${lower}s`;
  if (CLUSTER_SCOPED.has(object.kind)) return `${prefix}/${plural}`;
  return `${prefix}/namespaces/${object.metadata.namespace ?? defaultNamespace}/${plural}`;
}

/** Creates an object, or brings an existing one to what the manifest says. */
export async function applyObject(
  client: Pick<KubeClient, 'post' | 'get' | 'mergePatch'>,
  object: ManifestObject,
  defaultNamespace = 'default',
): Promise<void> {
  const collection = collectionPath(object, defaultNamespace);
  try {
    await client.post(collection, object);
  } catch (error) {
    if (!(error instanceof KubeError && error.status === 409)) throw error;
    const path = `${collection}/${object.metadata.name}`;
    // What the cluster filled in stays: cluster addresses, and Galley's CA bundles, which stand in a list.
    await client.mergePatch(path, object.kind.endsWith('WebhookConfiguration') ? withCaBundles(object, await client.get(path)) : object);
  }
}

interface Webhook {
  readonly name: string;
  readonly clientConfig: { readonly caBundle?: string };
}

/** The manifest's webhooks with the CA bundle that the stored ones have; refused when somebody writes the object in between. */
function withCaBundles(object: ManifestObject, stored: KubeObject): ManifestObject {
  // Both are webhook configurations: one is ours, the other has passed the API server.
  const known = (stored as { webhooks?: readonly Webhook[] }).webhooks ?? [];
  const webhooks = (object as { webhooks?: readonly Webhook[] }).webhooks ?? [];
  const bundle = known.find(({ clientConfig }) => clientConfig.caBundle !== undefined)?.clientConfig.caBundle;
  const resourceVersion = stored.metadata?.resourceVersion;
  const merged = webhooks.map((webhook) =>
    bundle === undefined ? webhook : { ...webhook, clientConfig: { ...webhook.clientConfig, caBundle: bundle } },
  );
  return Object.assign(
    { ...object },
    {
      metadata: { ...object.metadata, ...(resourceVersion === undefined ? {} : { resourceVersion }) },
      webhooks: merged,
    },
  );
}

export interface RetryOptions {
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
}

/** Applies all objects at once, trying again what is refused because something else is not up yet. */
export async function applyAll(client: KubeClient, objects: readonly ManifestObject[], retry: RetryOptions): Promise<void> {
  await Promise.all(
    objects.map(async (object) => {
      const end = Date.now() + retry.deadlineMs;
      for (;;) {
        try {
          await applyObject(client, object);
          return;
        } catch (error) {
          const hopeless =
            error instanceof KubeError &&
            (error.status === 400 || error.status === 422 || error.status === 403) &&
            !/webhook/i.test(error.message);
          if (hopeless || Date.now() > end || retry.signal.aborted) {
            throw new XebecError('E_APPLY', `cannot apply ${object.kind} ${object.metadata.name}`, { cause: error });
          }
        }
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }),
  );
}
