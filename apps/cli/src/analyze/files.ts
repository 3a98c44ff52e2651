import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type RawObject, toRawObject } from '@xebec/analysis';
import { readYamlObjects } from '@xebec/config';
import { errorText } from '@xebec/core';

export interface ReadProblem {
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

export interface ReadResult {
  readonly objects: readonly RawObject[];
  readonly problems: readonly ReadProblem[];
}

const YAML_FILE = /\.(ya?ml|json)$/;

function filesUnder(path: string, recursive: boolean): string[] {
  if (path === '-' || !statSync(path).isDirectory()) return [path];
  return readdirSync(path, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const full = join(path, entry.name);
      if (entry.isDirectory()) return recursive ? filesUnder(full, true) : [];
      return YAML_FILE.test(entry.name) ? [full] : [];
    });
}

/** Reads files, folders and `-` (standard input); everything unreadable is a problem with its file and line. */
export function readManifests(paths: readonly string[], options: { namespace: string; recursive: boolean }): ReadResult {
  const objects: RawObject[] = [];
  const problems: ReadProblem[] = [];
  for (const path of paths) {
    try {
      for (const file of filesUnder(path, options.recursive)) {
        const name = file === '-' ? '(standard input)' : file;
        const read = readYamlObjects(readFileSync(file === '-' ? 0 : file, 'utf8'));
        problems.push(...read.problems.map((problem) => ({ file: name, ...problem })));
        for (const { value, line, fieldLines } of read.objects) {
          const object = toRawObject(value, options.namespace, { file: name, line, fieldLines });
          if (object === undefined) problems.push({ file: name, line, message: 'not a Kubernetes object: apiVersion or kind is missing' });
          else objects.push(object);
        }
      }
    } catch (error) {
      problems.push({ file: path, line: 0, message: `cannot read: ${errorText(error)}` });
    }
  }
  return { objects, problems };
}
