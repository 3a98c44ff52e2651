import { readFile, stat } from 'node:fs/promises';
import { type Clock, errorText, type Logger, XebecError } from '@xebec/core';
import type { MeshConfig } from '@xebec/schemas';

/** What MeshConfig says of other trust domains. */
export type MeshTrust = Pick<MeshConfig, 'caCertificates' | 'trustDomainAliases'>;

/** Where the text of MeshConfig is; `version` tells whether it is worth reading again. */
export interface MeshText {
  /** Stands in messages. */
  readonly origin: string;
  /** Undefined: there is none. */
  load(): Promise<{ readonly text: string; readonly version: string } | undefined>;
}

const LOOK_MS = 5000;

export function meshFile(file: string): MeshText {
  return {
    origin: file,
    async load() {
      try {
        const { mtimeMs } = await stat(file);
        return { text: await readFile(file, 'utf8'), version: `${mtimeMs}` };
      } catch (error) {
        throw new XebecError('E_MESH_CONFIG', `--mesh-config ${file}: ${errorText(error)}; check the path and its permissions`);
      }
    },
  };
}

/** Follows MeshConfig: calls back at the first reading and at each change. What cannot be read leaves the last good one in force. */
export function followMeshTrust(
  options: { readonly source: MeshText; readonly clock: Clock; readonly logger: Logger },
  changed: (trust: MeshTrust) => void,
): { close(): void } {
  const { source, clock, logger } = options;
  let seen: string | undefined;
  let failure: string | undefined;
  let closed = false;
  let cancel: () => void = () => undefined;
  const look = async () => {
    const loaded = (await source.load()) ?? { text: '', version: 'none' };
    if (closed || loaded.version === seen) return;
    seen = loaded.version;
    changed(await readMesh(loaded.text, source.origin));
  };
  const run = () => {
    look()
      .then(() => {
        failure = undefined;
      })
      .catch((error: unknown) => {
        const text = errorText(error).slice(0, 300);
        if (text !== failure) logger.warn({ code: error instanceof XebecError ? error.code : 'E_MESH_CONFIG' }, text);
        failure = text;
      })
      .finally(() => {
        if (!closed) cancel = clock.setTimeout(run, LOOK_MS);
      });
  };
  run();
  return {
    close() {
      closed = true;
      cancel();
    },
  };
}

async function readMesh(text: string, origin: string): Promise<MeshTrust> {
  // Loaded only here: a CA by itself needs no schemas.
  const [{ readYamlObjects }, { decodeMeshConfig }] = await Promise.all([import('@xebec/config'), import('@xebec/schemas')]);
  const { objects, problems } = readYamlObjects(text);
  const [problem] = problems;
  if (problem !== undefined) throw new XebecError('E_MESH_CONFIG', `${origin}:${problem.line}: ${problem.message}`);
  const decoded = decodeMeshConfig(objects[0]?.value ?? {});
  if (!decoded.ok)
    throw new XebecError('E_MESH_CONFIG', `${origin}: ${decoded.error.map(({ path, message }) => `${path}: ${message}`).join('; ')}`);
  return decoded.value;
}
