import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, normalize, relative, sep } from 'node:path';
import type { V1Container, V1KeyToPath, V1Pod, V1Volume } from '@kubernetes/client-node';
import { XebecError } from '@xebec/core';
import { fieldValue, MissingReference, type ObjectSource, type PodFacts } from './environment.ts';

export interface VolumeContext {
  readonly pod: V1Pod;
  /** Directory that holds one folder per volume. */
  readonly directory: string;
  readonly source: ObjectSource;
  readonly facts: PodFacts;
  /** Asks the API server for a token; returns it with the time at which to ask again, in ms since the epoch. */
  token(audience: string | undefined, expirationSeconds: number): Promise<{ readonly token: string; readonly renewAtMs: number }>;
  /** The API server's root certificate, for pods whose namespace has no ConfigMap of it yet. */
  readonly clusterCa: string;
}

interface FileContent {
  readonly data: string | Buffer;
  readonly mode?: number;
}

const ACCOUNT_MOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';
const ACCOUNT_VOLUME = 'xebec-api-access';

/** The pod's volumes, with the service account's added where admission did not. */
export function volumesOf(pod: V1Pod): V1Volume[] {
  const own = pod.spec?.volumes ?? [];
  if (pod.spec?.automountServiceAccountToken === false) return own;
  const mounted = [...(pod.spec?.containers ?? [])].some((container) =>
    container.volumeMounts?.some((mount) => mount.mountPath === ACCOUNT_MOUNT),
  );
  if (mounted) return own;
  return [
    ...own,
    {
      name: ACCOUNT_VOLUME,
      projected: {
        sources: [
          { serviceAccountToken: { path: 'token', expirationSeconds: 3607 } },
          { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
          { downwardAPI: { items: [{ path: 'namespace', fieldRef: { fieldPath: 'metadata.namespace' } }] } },
        ],
      },
    },
  ];
}

/**
 * Writes one volume below `context.directory`. Returns when it must be written again (token expiry), in ms since the
 * epoch. Throws MissingReference for an object that does not exist.
 */
export async function writeVolume(volume: V1Volume, context: VolumeContext): Promise<number | undefined> {
  const directory = join(context.directory, volume.name);
  if (volume.emptyDir !== undefined || volume.persistentVolumeClaim !== undefined || volume.ephemeral !== undefined) {
    mkdirSync(directory, { recursive: true });
    chmodSync(directory, 0o1777);
    return undefined;
  }
  if (volume.hostPath !== undefined) {
    if (!existsSync(directory)) symlinkSync(volume.hostPath.path, directory);
    return undefined;
  }
  const files = new Map<string, FileContent>();
  let renewAtMs: number | undefined;
  const sources = volume.projected?.sources ?? [
    {
      ...(volume.configMap === undefined ? {} : { configMap: volume.configMap }),
      ...(volume.secret === undefined
        ? {}
        : { secret: { ...volume.secret, ...(volume.secret.secretName === undefined ? {} : { name: volume.secret.secretName }) } }),
      ...(volume.downwardAPI === undefined ? {} : { downwardAPI: volume.downwardAPI }),
    },
  ];
  const namespace = context.pod.metadata?.namespace ?? '';
  for (const part of sources) {
    if (part.configMap?.name !== undefined) {
      const { name } = part.configMap;
      let data = context.source.configMap(namespace, name);
      if (data === undefined && name === 'kube-root-ca.crt') data = { 'ca.crt': context.clusterCa };
      addKeys(files, data, part.configMap.items, part.configMap.optional, `configmap "${name}" not found`);
    }
    if (part.secret?.name !== undefined) {
      const data = context.source.secret(namespace, part.secret.name);
      addKeys(files, data, part.secret.items, part.secret.optional, `secret "${part.secret.name}" not found`);
    }
    for (const item of part.downwardAPI?.items ?? []) {
      if (item.fieldRef !== undefined) files.set(item.path, { data: fieldValue(context.pod, item.fieldRef.fieldPath, context.facts) });
    }
    if (part.serviceAccountToken !== undefined) {
      const { audience, expirationSeconds, path } = part.serviceAccountToken;
      const issued = await context.token(audience, expirationSeconds ?? 3600);
      files.set(path, { data: issued.token, mode: 0o600 });
      renewAtMs = Math.min(renewAtMs ?? Number.POSITIVE_INFINITY, issued.renewAtMs);
    }
  }
  mkdirSync(directory, { recursive: true });
  const owner = runAsUser(context.pod);
  for (const [path, file] of files) writeAtomically(insideOf(directory, path), file, owner);
  return renewAtMs;
}

/** Tokens belong to whoever of the pod's users is not root: the proxy reads them as user 1337. */
function runAsUser(pod: V1Pod): number | undefined {
  const users = (pod.spec?.containers ?? []).map(
    (container) => container.securityContext?.runAsUser ?? pod.spec?.securityContext?.runAsUser ?? 0,
  );
  return users.find((user) => user !== 0);
}

function addKeys(
  files: Map<string, FileContent>,
  data: Readonly<Record<string, string | Buffer>> | undefined,
  items: readonly V1KeyToPath[] | undefined,
  optional: boolean | undefined,
  missing: string,
): void {
  if (data === undefined) {
    if (optional === true) return;
    throw new MissingReference(missing);
  }
  if (items === undefined) {
    for (const [key, value] of Object.entries(data)) files.set(key, { data: value });
    return;
  }
  for (const item of items) {
    const value = data[item.key];
    if (value !== undefined) files.set(item.path, { data: value });
    else if (optional !== true) throw new MissingReference(`${missing.replace(' not found', '')} has no key "${item.key}"`);
  }
}

/** A reader sees the old file or the new one, never a part. */
function writeAtomically(path: string, file: FileContent, owner: number | undefined): void {
  try {
    if (readFileSync(path).equals(Buffer.from(file.data))) return;
  } catch {
    // Not there yet.
  }
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.new`;
  writeFileSync(temporary, file.data, { mode: file.mode ?? 0o644 });
  if (owner !== undefined && process.getuid?.() === 0) chownSync(temporary, owner, owner);
  renameSync(temporary, path);
}

function insideOf(directory: string, path: string): string {
  const full = normalize(join(directory, path));
  if (!full.startsWith(directory + sep)) throw new XebecError('E_POD_VOLUME', `volume path "${path}" leaves its volume`);
  return full;
}

/** Makes volumes appear below a container's root: a symbolic link per mount. */
export function mountVolumes(container: V1Container, root: string, volumes: string): void {
  mkdirSync(root, { recursive: true });
  mkdirSync(volumes, { recursive: true });
  const mounts = [...(container.volumeMounts ?? [])];
  const base = realpathSync(volumes);
  if (existsSync(join(volumes, ACCOUNT_VOLUME))) mounts.push({ name: ACCOUNT_VOLUME, mountPath: ACCOUNT_MOUNT });
  // Parents first, so that a mount below another lands inside it.
  for (const mount of mounts.sort((a, b) => a.mountPath.length - b.mountPath.length)) {
    const at = insideOf(root, mount.mountPath);
    const target = mount.subPath === undefined ? join(base, mount.name) : insideOf(join(base, mount.name), mount.subPath);
    mkdirSync(dirname(at), { recursive: true });
    if (lstatSync(at, { throwIfNoEntry: false }) !== undefined) rmSync(at, { recursive: true, force: true });
    // The mount may lie in another one, which is a link itself.
    symlinkSync(relative(realpathSync(dirname(at)), target), at);
  }
}
