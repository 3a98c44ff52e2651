import { readFile } from 'node:fs/promises';
import { type ConfigSource, createDirectorySource, problemText } from '@xebec/config';
import { type Clock, errorText, type Logger, XebecError } from '@xebec/core';
import type { MeshConfig } from '@xebec/schemas';
import { decodeMesh } from './mesh-config.ts';

export interface SourceOptions {
  readonly configDir: string;
  readonly registries: readonly string[];
  readonly mcpAddr: string;
  readonly kubeconfig: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Every source the flags ask for. */
export function createSources(options: SourceOptions): readonly ConfigSource[] {
  const { clock, logger } = options;
  const sources: ConfigSource[] = [];
  if (options.configDir !== '') {
    sources.push(createDirectorySource({ directory: options.configDir, defaultNamespace: 'default', clock, logger }));
  }
  return sources;
}

/** Reads `--mesh-config`; every violation is one line. */
export async function readMeshConfig(file: string): Promise<MeshConfig | undefined> {
  if (file === '') return undefined;
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new XebecError('E_MESH_CONFIG', `--mesh-config ${file}: ${errorText(error)}; check the path and its permissions`);
  }
  const decoded = decodeMesh(text, { origin: file });
  if (!decoded.ok) throw new XebecError('E_MESH_CONFIG', `--mesh-config ${decoded.error.map(problemText).join('; ')}`);
  return decoded.value;
}
