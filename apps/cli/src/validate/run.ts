import type { Violation } from '@xebec/core';
import { type ReadProblem, readManifests } from '../analyze/files.ts';
import { CommandFailure, EXIT } from '../exit.ts';
import { settingLines } from './mesh-settings.ts';
import { policyContextOf, type Verdict, verdictOf } from './verdict.ts';

export interface ValidateOptions {
  readonly filename: readonly string[];
  readonly namespace: string;
  readonly output: string;
}

interface Located extends Verdict {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly lines: Readonly<Record<string, number>>;
}

/** Checks every document; the exit code is 0 when all are valid, 1 when one is not, 65 when one cannot be read. */
export async function run(paths: readonly string[], options: ValidateOptions): Promise<void> {
  if (options.output !== 'text' && options.output !== 'json')
    throw new CommandFailure(`-o ${options.output} is not an output format; use text or json`, EXIT.usage);
  const given = [...options.filename, ...paths];
  if (given.length === 0)
    throw new CommandFailure('nothing to validate: name files or folders with -f, or - for standard input', EXIT.usage);
  const { files, objects, problems } = readManifests(given, { namespace: options.namespace });
  const context = policyContextOf(objects);
  const verdicts = objects.map((object): Located => {
    const { file = '', fieldLines = {}, line = 1 } = object.source ?? {};
    return { ...verdictOf(object, context), file, line, lines: { ...settingLines(object), ...fieldLines } };
  });
  if (options.output === 'json')
    process.stdout.write(`${JSON.stringify([...verdicts.map(toJson), ...problems.map(unreadable)], null, 2)}\n`);
  else for (const file of files) writeFile(file, verdicts, problems);
  if (files.length === 0) throw new CommandFailure(`${given.join(', ')}: no .yaml, .yml or .json files there`, EXIT.data);
  if (verdicts.some(({ valid }) => !valid)) process.exitCode = EXIT.failure;
  if (problems.length > 0) process.exitCode = EXIT.data;
}

function toJson(verdict: Located): Record<string, unknown> {
  const { errors, file, kind, name, namespace, valid, warnings } = verdict;
  const entry = ({ message, path, suggestion }: Violation) => ({
    path,
    message,
    ...(suggestion === undefined ? {} : { suggestion }),
    line: lineOf(verdict, path),
  });
  return { kind, name, namespace, valid, errors: errors.map(entry), warnings: warnings.map(entry), file, line: verdict.line };
}

function unreadable({ file, line, message }: ReadProblem): Record<string, unknown> {
  return { kind: '', name: '', namespace: '', valid: false, errors: [{ path: '', message, line }], warnings: [], file, line };
}

/** The line of a field, or of the nearest field around it that was written. */
function lineOf({ line, lines }: Located, path: string): number {
  for (let at = path; at !== ''; at = at.slice(0, Math.max(at.lastIndexOf('.'), at.lastIndexOf('['), 0))) {
    const found = lines[at];
    if (found !== undefined) return found;
  }
  return line;
}

function writeFile(file: string, verdicts: readonly Located[], problems: readonly ReadProblem[]): void {
  const name = file === '-' ? '(standard input)' : file;
  const broken = problems.filter((problem) => problem.file === file);
  for (const { line, message } of broken) console.log(`${name}:${line}: Error: ${message}`);
  const own = verdicts.filter((verdict) => verdict.file === file);
  for (const verdict of own) {
    const subject = `${verdict.kind} ${verdict.namespace === '' ? '' : `${verdict.namespace}/`}${verdict.name}`;
    for (const [level, list] of [['Error', verdict.errors] as const, ['Warning', verdict.warnings] as const])
      for (const { message, path } of list) console.log(`${name}:${lineOf(verdict, path)}: ${level}: ${subject}: ${path}: ${message}`);
    if (!verdict.checked) console.log(`${name}:${verdict.line}: ${subject} is not a kind of the mesh and was not checked`);
  }
  if (broken.length === 0 && own.length === 0) console.log(`"${name}" holds no objects`);
  else if (broken.length === 0 && own.every(({ valid }) => valid)) console.log(`"${name}" is valid`);
}
