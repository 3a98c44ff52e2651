import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { decodeAny, lineOfField, readYamlObjects } from '@xebec/config';
import { errorText } from '@xebec/core';
import { createSnapshot, type MeshSnapshot } from '@xebec/model';
import { KubernetesRegistry, plannedChanges, REGISTRY_KINDS, type RegistryChange } from '@xebec/platforms';
import { type ConfigObject, decodeMeshConfig, type MeshConfig } from '@xebec/schemas';
import { convertSmi, isSmi, smiProblemText } from '@xebec/smi';
import { parse } from 'yaml';
import { CommandFailure, EXIT } from '../exit.ts';

const YAML_FILE = /\.(ya?ml|json)$/;

export interface MeshFilesOptions {
  readonly meshConfigFile?: string | undefined;
  /** Start what the manifests describe: Deployments become pods, Services get addresses (`plannedChanges`). Otherwise only what stands
   * in the files exists, as for a Pilot that reads them. */
  readonly planned: boolean;
}

/** What manifests describe, and what is wrong in them: wrong objects are left out, as Pilot leaves them out. */
export interface MeshOfFiles {
  readonly snapshot: MeshSnapshot;
  /** `file:line: field: what is wrong`. */
  readonly problems: readonly string[];
}

/** The snapshot that Pilot would have, from files and folders alone. Malformed YAML and unreadable files throw CommandFailure. */
export function meshOfFiles(paths: readonly string[], options: MeshFilesOptions): MeshOfFiles {
  const { manifests, objects, problems } = readManifests(paths.flatMap(filesOf));
  const registry = new KubernetesRegistry('cluster.local');
  registry.apply(options.planned ? plannedChanges(manifests) : objects.filter(({ kind }) => REGISTRY_KINDS.has(kind)).map(toChange));
  const mesh = readMeshConfig(options.meshConfigFile);
  const config = objects.filter((object) => !REGISTRY_KINDS.has(object.kind) && !isSmi(object));
  const routes = config.filter(({ kind }) => kind === 'VirtualService');
  const smi = convertSmi(objects.filter(isSmi), routes, 'cluster.local');
  const snapshot = createSnapshot({ version: 'offline', mesh, ...registry.view(mesh, [...config, ...smi.objects]) });
  return { snapshot, problems: [...problems, ...smi.problems.map(smiProblemText)] };
}

interface Manifests {
  readonly manifests: readonly unknown[];
  readonly objects: readonly ConfigObject[];
  readonly problems: readonly string[];
}

function readManifests(files: readonly string[]): Manifests {
  const malformed: string[] = [];
  const problems: string[] = [];
  const manifests: unknown[] = [];
  const objects: ConfigObject[] = [];
  for (const file of files) {
    const { objects: documents, problems: broken } = readYamlObjects(readText(file, 'file'));
    malformed.push(...broken.map(({ line, message }) => `${file}:${line}: ${message}`));
    for (const document of documents) {
      manifests.push(document.value);
      const source = { file, line: document.line, fieldLines: document.fieldLines };
      const decoded = decodeAny(document.value, { defaultNamespace: 'default', source });
      if (decoded.ok) objects.push(...(decoded.value === undefined ? [] : [decoded.value]));
      else
        for (const { path, message } of decoded.error)
          problems.push(`${file}:${lineOfField(document, path)}: ${path === '' ? '' : `${path}: `}${message}`);
    }
  }
  if (malformed.length > 0) throw new CommandFailure(malformed.join('\nError: '), EXIT.data);
  return { manifests, objects, problems };
}

function toChange({ kind, metadata, spec }: ConfigObject): RegistryChange {
  return { kind, namespace: metadata.namespace, name: metadata.name, raw: spec };
}

function filesOf(path: string): string[] {
  if (!existsSync(path)) throw new CommandFailure(`file ${path} does not exist`, EXIT.data);
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const inner = join(path, entry.name);
      if (entry.isDirectory()) return filesOf(inner);
      return YAML_FILE.test(entry.name) ? [inner] : [];
    });
}

/** A file's text; throws CommandFailure that names it. */
export function readText(file: string, what: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new CommandFailure(`cannot read ${what} ${file}: ${errorText(error)}`, EXIT.data);
  }
}

function readMeshConfig(file: string | undefined): MeshConfig {
  let content: unknown = {};
  if (file !== undefined) {
    const text = readText(file, 'mesh config');
    try {
      content = parse(text) ?? {};
    } catch (error) {
      throw new CommandFailure(`mesh config ${file}: malformed YAML: ${errorText(error)}`, EXIT.data);
    }
  }
  const decoded = decodeMeshConfig(content);
  if (decoded.ok) return decoded.value;
  const lines = decoded.error.map(({ path, message }) => `mesh config ${file}: ${path}: ${message}`);
  throw new CommandFailure(lines.join('\nError: '), EXIT.data);
}
