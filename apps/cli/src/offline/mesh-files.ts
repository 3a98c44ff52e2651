import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { decodeAny, lineOfField, readYamlObjects } from '@xebec/config';
import { errorText } from '@xebec/core';
import { createSnapshot, type MeshSnapshot } from '@xebec/model';
import { KubernetesRegistry, plannedChanges, REGISTRY_KINDS } from '@xebec/platforms';
import { type ConfigObject, decodeMeshConfig, type MeshConfig } from '@xebec/schemas';
import { parse } from 'yaml';
import { CommandFailure, EXIT } from '../exit.ts';

const YAML_FILE = /\.(ya?ml|json)$/;

/**
 * The mesh that manifests describe: what Pilot would know once a cluster had started them. Any wrong document fails the whole, with
 * file, line and field, for half a mesh would give wrong answers.
 */
export function meshOfFiles(paths: readonly string[], meshConfigFile: string | undefined): MeshSnapshot {
  const problems: string[] = [];
  const manifests: unknown[] = [];
  const config: ConfigObject[] = [];
  for (const file of paths.flatMap(filesOf)) {
    const { objects, problems: broken } = readYamlObjects(readText(file, 'file'));
    problems.push(...broken.map(({ line, message }) => `${file}:${line}: ${message}`));
    for (const document of objects) {
      manifests.push(document.value);
      const source = { file, line: document.line, fieldLines: document.fieldLines };
      const decoded = decodeAny(document.value, { defaultNamespace: 'default', source });
      if (!decoded.ok) {
        for (const { path, message } of decoded.error)
          problems.push(`${file}:${lineOfField(document, path)}: ${path === '' ? '' : `${path}: `}${message}`);
      } else if (decoded.value !== undefined && !REGISTRY_KINDS.has(decoded.value.kind)) config.push(decoded.value);
    }
  }
  if (problems.length > 0) throw new CommandFailure(problems.join('\nError: '), EXIT.data);
  const registry = new KubernetesRegistry('cluster.local');
  registry.apply(plannedChanges(manifests));
  return createSnapshot({
    version: 'files',
    mesh: readMeshConfig(meshConfigFile),
    namespaces: registry.namespaces(),
    services: registry.services(),
    endpoints: registry.endpoints(),
    workloads: registry.workloads(),
    config,
  });
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

function readText(file: string, what: string): string {
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
