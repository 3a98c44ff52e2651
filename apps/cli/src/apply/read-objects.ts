import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { readYamlObjects } from '@xebec/config';
import { errorText } from '@xebec/core';
import { CommandFailure, EXIT } from '../exit.ts';
import type { KubeObjects, ObjectReference } from './kube-objects.ts';

export interface ReadObject {
  readonly object: ObjectReference;
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly fieldLines: Readonly<Record<string, number>>;
}

export interface FileOptions {
  readonly filename: readonly string[];
  readonly recursive?: boolean;
}

/** The objects of files, folders and standard input; those that name no namespace and need one get `namespace`. */
export async function readObjects(options: FileOptions, objects: KubeObjects, namespace: string): Promise<readonly ReadObject[]> {
  const found = readFiles(options);
  const placed: ReadObject[] = [];
  for (const item of found) {
    const { object } = item;
    const namespaced = (await objects.isNamespaced(object)) ?? true;
    const metadata = { ...object.metadata, namespace: namespaced ? (object.metadata.namespace ?? namespace) : undefined };
    placed.push({ ...item, object: { ...object, metadata } });
  }
  return placed;
}

function readFiles({ filename, recursive }: FileOptions): readonly ReadObject[] {
  const found = filename
    .flatMap((path) => filesOf(path, recursive === true))
    .flatMap((file) => {
      const { objects, problems } = readYamlObjects(readFile(file));
      const [problem] = problems;
      if (problem !== undefined) throw new CommandFailure(`${file}:${problem.line}: ${problem.message}`, EXIT.data);
      return objects.map(({ value, line, fieldLines }) => {
        if (!isObject(value))
          throw new CommandFailure(`${file}:${line}: not a Kubernetes object: it needs apiVersion, kind and metadata.name`, EXIT.data);
        return { object: value, file, line, fieldLines };
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

function isObject(value: unknown): value is ObjectReference {
  if (typeof value !== 'object' || value === null || !('apiVersion' in value) || !('kind' in value) || !('metadata' in value)) return false;
  const { metadata, apiVersion, kind } = value;
  if (typeof apiVersion !== 'string' || typeof kind !== 'string') return false;
  return typeof metadata === 'object' && metadata !== null && 'name' in metadata && typeof metadata.name === 'string';
}
