import { readdirSync, readFileSync, statSync } from 'node:fs';
import { extname, join } from 'node:path';
import { type RawObject, toRawObject } from '@xebec/analysis';
import { readYamlObjects } from '@xebec/config';
import { errorText } from '@xebec/core';
import { CommandFailure, EXIT } from '../exit.ts';

export interface ReadProblem {
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

export interface ReadResult {
  readonly objects: readonly RawObject[];
  readonly problems: readonly ReadProblem[];
  /** Names of the files that were read. */
  readonly files: readonly string[];
}

const EXTENSIONS: readonly string[] = ['.json', '.yaml', '.yml'];
const MAX_FOLDERS_DEEP = 64;

function filesUnder(path: string, depth = 0): string[] {
  if (path === '-') return [path];
  // A link to nowhere counts as a file, so that it is named when it is read; what the user has named must be there.
  if (statSync(path, { throwIfNoEntry: depth === 0 })?.isDirectory() === true) {
    if (depth > MAX_FOLDERS_DEEP) return [];
    return readdirSync(path, { withFileTypes: true })
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .flatMap((entry) => filesUnder(join(path, entry.name), depth + 1));
  }
  if (EXTENSIONS.includes(extname(path))) return [path];
  console.error(`Skipping file ${path}, recognized file extensions are: [${EXTENSIONS.join(' ')}]`);
  return [];
}

/** Reads files, folders with all below them, and `-` (standard input); everything unreadable is a problem with its file and line. */
export function readManifests(paths: readonly string[], options: { namespace: string }): ReadResult {
  const objects: RawObject[] = [];
  const problems: ReadProblem[] = [];
  const files: string[] = [];
  for (const path of paths) {
    for (const file of listed(path)) {
      files.push(file);
      const read = readFile(file);
      problems.push(...read.problems.map((problem) => ({ file, ...problem })));
      for (const { value, line, fieldLines } of read.objects) {
        const object = toRawObject(value, options.namespace, { file, line, fieldLines });
        if (object === undefined) problems.push({ file, line, message: 'not a Kubernetes object: apiVersion or kind is missing' });
        else objects.push(object);
      }
    }
  }
  return { objects, problems, files };
}

/** A file that cannot be read is a problem of its own, as a broken document is; the others are read. */
function readFile(file: string): ReturnType<typeof readYamlObjects> {
  const problem = (line: number, message: string) => ({ objects: [], problems: [{ line, message }] });
  let text: string;
  try {
    text = readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    return problem(1, `cannot be read: ${errorText(error)}`);
  }
  const read = readYamlObjects(text);
  const [broken] = read.problems;
  if (broken === undefined || extname(file) !== '.json') return read;
  // The parser of YAML, which JSON is a part of, names other things than who writes JSON looks for.
  try {
    JSON.parse(text);
    return read;
  } catch (error) {
    const message = errorText(error);
    const position = /at position (\d+)/.exec(message)?.[1];
    const line = position === undefined ? text.split('\n').length : text.slice(0, Number(position)).split('\n').length;
    return problem(line, `malformed JSON: ${message}`);
  }
}

function listed(path: string): string[] {
  try {
    return filesUnder(path);
  } catch (error) {
    throw new CommandFailure(`cannot read ${path}: ${errorText(error)}`);
  }
}

/** The one object of a YAML file, such as a MeshConfig. */
export function readOneObject(file: string): Readonly<Record<string, unknown>> {
  try {
    return parseOneObject(readFileSync(file, 'utf8'), file);
  } catch (error) {
    if (error instanceof CommandFailure) throw error;
    throw new CommandFailure(`cannot read ${file}: ${errorText(error)}`);
  }
}

/** `where` names the text in the failure. */
export function parseOneObject(text: string, where: string): Readonly<Record<string, unknown>> {
  const { objects, problems } = readYamlObjects(text);
  const [problem] = problems;
  if (problem !== undefined) throw new CommandFailure(`${where}:${problem.line}: ${problem.message}`, EXIT.data);
  const value = objects[0]?.value ?? {};
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new CommandFailure(`${where}: holds no fields; expected a document such as "rootNamespace: istio-system"`, EXIT.data);
  return Object.fromEntries(Object.entries(value));
}
