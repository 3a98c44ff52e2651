import { analyze, formatMessage, formatSubject, type Level, levelOf, type Message, messageTypes } from '@xebec/analysis';
import { CommandFailure, EXIT } from '../exit.ts';
import { defaultNamespace, type KubeOptions, loadKubeConfig } from '../kube/connection.ts';
import { type ReadProblem, readManifests } from './files.ts';
import { readLive } from './live.ts';

export interface AnalyzeOptions extends KubeOptions {
  readonly useKube: string;
  readonly allNamespaces?: boolean;
  readonly recursive?: boolean;
  readonly output: string;
  readonly failureThreshold: string;
}

const ORDER: Readonly<Record<Level, number>> = { Error: 2, Warning: 1, Info: 0 };

/** istioctl's field names. */
function toJson(message: Message): Record<string, unknown> {
  const { code, path, subject, text } = message;
  return {
    code,
    level: levelOf(message),
    name: messageTypes[code].name,
    origin: formatSubject(message),
    message: text,
    ...(path === '' ? {} : { path }),
    ...(subject.source === undefined
      ? {}
      : { reference: `${subject.source.file}:${subject.source.fieldLines?.[path] ?? subject.source.line}` }),
  };
}

function threshold(text: string): number {
  const level = (['Error', 'Warning', 'Info'] as const).find((candidate) => candidate.toLowerCase() === text.toLowerCase());
  if (level === undefined) throw new CommandFailure(`--failure-threshold ${text} is none of Info, Warning, Error`, EXIT.usage);
  return ORDER[level];
}

function report(problems: readonly ReadProblem[]): void {
  for (const { file, line, message } of problems) console.error(`Error: ${file}${line > 0 ? `:${line}` : ''}: ${message}`);
}

export async function run(paths: readonly string[], options: AnalyzeOptions): Promise<void> {
  if (options.output !== 'log' && options.output !== 'json')
    throw new CommandFailure(`-o ${options.output} is not an output format; use log or json`, EXIT.usage);
  const failAt = threshold(options.failureThreshold);
  const useKube = options.useKube !== 'false';
  if (!useKube && paths.length === 0)
    throw new CommandFailure('nothing to analyse: name files or folders, or leave --use-kube on', EXIT.usage);
  const config = useKube ? loadKubeConfig(options) : undefined;
  const namespace = config === undefined ? (options.namespace ?? 'default') : defaultNamespace(config, options);
  const { objects, problems } = readManifests(paths, { namespace, recursive: options.recursive ?? false });
  report(problems);
  const live = config === undefined ? [] : await readLive(config);
  const key = (object: { kind: string; metadata: { namespace: string; name: string } }) =>
    `${object.kind}/${object.metadata.namespace}/${object.metadata.name}`;
  const given = new Set(objects.map(key));
  const everywhere = options.allNamespaces === true || !useKube;
  const messages = analyze([...objects, ...live.filter((object) => !given.has(key(object)))]).filter(
    ({ subject }) =>
      everywhere ||
      subject.namespace === namespace ||
      (subject.namespace === '' && subject.name === namespace) ||
      given.has(key({ kind: subject.kind, metadata: subject })),
  );
  if (options.output === 'json') process.stdout.write(`${JSON.stringify(messages.map(toJson), null, 2)}\n`);
  else for (const message of messages) console.log(formatMessage(message));
  const where = everywhere ? 'all namespaces' : `namespace: ${namespace}`;
  if (options.output === 'log' && messages.length === 0 && problems.length === 0)
    console.log(`✔ No validation issues found when analyzing ${where}.`);
  if (problems.length > 0) process.exitCode = EXIT.data;
  if (messages.some((message) => ORDER[levelOf(message)] >= failAt)) {
    console.error(`Error: Analyzers found issues when analyzing ${where}.`);
    process.exitCode = EXIT.analyzerFoundIssues;
  }
}
