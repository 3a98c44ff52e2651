import { adapters } from '@xebec/adapters';
import {
  type AnalyzeOptions as Analysis,
  analyze,
  analyzers,
  levelOf,
  type Message,
  matchesSuppression,
  type RawObject,
} from '@xebec/analysis';
import { version } from '@xebec/daemon/version';
import { CommandFailure, EXIT } from '../exit.ts';
import { defaultNamespace, type KubeOptions, loadKubeConfig } from '../kube/connection.ts';
import { parseOneObject, readManifests, readOneObject } from './files.ts';
import { readLive } from './live.ts';
import { parseFormat, parseLevel, parseSuppression, SEVERITY } from './options.ts';
import { printMessages } from './print.ts';

export interface AnalyzeOptions extends KubeOptions {
  readonly useKube: string | boolean;
  readonly allNamespaces?: boolean;
  readonly output: string;
  readonly failureThreshold: string;
  readonly outputThreshold: string;
  readonly suppress?: readonly string[];
  readonly analyzer?: readonly string[];
  readonly listAnalyzers?: boolean;
  readonly meshConfigFile?: string;
  readonly meshNetworksFile?: string;
  readonly maxProxyGrowth: string;
  readonly ignoreUnknown?: boolean;
  readonly color?: string | boolean;
  readonly verbose?: boolean;
  readonly remoteContexts?: readonly string[];
}

const PAGES = 'https://istio.io/v1.30/docs/reference/config/analysis';

export async function run(paths: readonly string[], options: AnalyzeOptions): Promise<void> {
  const format = parseFormat(options.output);
  const failAt = parseLevel('--failure-threshold', options.failureThreshold);
  const showFrom = parseLevel('--output-threshold', options.outputThreshold);
  const only = parseAnalyzers(options.analyzer);
  const growth = Number(options.maxProxyGrowth);
  if (!Number.isInteger(growth) || growth < 1)
    throw new CommandFailure(`--max-proxy-growth ${options.maxProxyGrowth} is no whole number of KiB above 0`, EXIT.usage);
  if (options.listAnalyzers === true) {
    process.stdout.write(listAnalyzers());
    return;
  }
  const suppressions = (options.suppress ?? []).map(parseSuppression);
  const useKube = String(options.useKube) !== 'false';
  if (!useKube && paths.length === 0)
    throw new CommandFailure('nothing to analyse: name files or folders, or leave --use-kube on', EXIT.usage);
  const config = useKube ? loadKubeConfig(options) : undefined;
  const namespace = config === undefined ? (options.namespace ?? 'default') : defaultNamespace(config, options);
  const { objects, problems, files } = readManifests(paths, { namespace });
  for (const { file, line, message } of problems) console.error(`Error: ${file}:${line}: ${message}`);
  const live = config === undefined ? [] : await readEverywhere(options);
  const given = new Set(objects.map(keyOf));
  const all = [...live.filter((object) => !given.has(keyOf(object))), ...objects];
  const analysis: Analysis = {
    complete: useKube,
    now: Date.now(),
    adapters,
    maxProxyGrowthKib: growth,
    only,
    ...meshSettings(all, options),
  };
  const everywhere = options.allNamespaces === true || (!useKube && options.namespace === undefined);
  const messages = analyze(all, analysis)
    .filter((message) => everywhere || isIn(namespace, message) || given.has(keyOfMessage(message)))
    .filter((message) => !suppressions.some((suppression) => matchesSuppression(message, suppression)));
  const shown = messages.filter((message) => SEVERITY[levelOf(message)] >= showFrom);
  const where = everywhere ? 'all namespaces' : `namespace: ${namespace}`;
  if (options.verbose === true) reportRun(where, only);
  process.stdout.write(printMessages(shown, format, { color: wantsColor(options.color), version: version() }));
  if (shown.length === 0) console.error(nothingFound(files, where, problems.length));
  if (messages.some((message) => SEVERITY[levelOf(message)] >= failAt)) {
    console.error(
      `Error: Analyzers found issues when analyzing ${where}.\nSee ${PAGES} for more information about causes and resolutions.`,
    );
    process.exitCode = EXIT.analyzerFoundIssues;
  } else if (problems.length > 0 && options.ignoreUnknown !== true) {
    console.error("Error: Some files couldn't be parsed.");
    process.exitCode = EXIT.data;
  }
}

async function readEverywhere(options: AnalyzeOptions): Promise<RawObject[]> {
  const contexts = options.remoteContexts ?? [];
  if (contexts.length === 0) return await readLive(loadKubeConfig(options));
  const own = await readLive(loadKubeConfig(options), 'default');
  const remote = await Promise.all(contexts.map((context) => readLive(loadKubeConfig({ ...options, context }), context)));
  // Of further clusters only the services count: they are compared, not analysed.
  return [...own, ...remote.flat().filter(({ kind }) => kind === 'Service')];
}

function keyOf({ apiVersion, kind, metadata, cluster }: RawObject): string {
  return `${apiVersion.split('/')[0] ?? ''}/${kind}/${metadata.namespace}/${metadata.name}/${cluster === 'default' ? '' : (cluster ?? '')}`;
}

function keyOfMessage({ subject }: Message): string {
  return subject.source === undefined ? '' : `${subject.kind}/${subject.namespace}/${subject.name}`;
}

/** A Namespace belongs to itself. */
function isIn(namespace: string, { subject }: Message): boolean {
  return (
    subject.source !== undefined ||
    subject.namespace === namespace ||
    (subject.namespace === '' && (subject.kind !== 'Namespace' || subject.name === namespace))
  );
}

function parseAnalyzers(names: readonly string[] = []): readonly string[] {
  const known = new Set(analyzers.map(({ name }) => name));
  for (const name of names)
    if (!known.has(name)) throw new CommandFailure(`--analyzer ${name} does not exist; -L lists those that do`, EXIT.usage);
  return names;
}

/** MeshConfig and what follows from it, of files or of the mesh's own ConfigMap. */
export function meshSettings(
  objects: readonly RawObject[],
  options: Pick<AnalyzeOptions, 'meshConfigFile' | 'meshNetworksFile'>,
): Pick<Analysis, 'meshConfig' | 'meshNetworks' | 'rootNamespace'> {
  const map = objects.find(
    ({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === 'istio' && metadata.namespace === 'istio-system',
  );
  const data = map === undefined ? {} : Object.fromEntries(Object.entries(map.content['data'] ?? {}));
  const fromMap = (key: string) => (typeof data[key] === 'string' ? parseOneObject(data[key], `ConfigMap istio, ${key}`) : {});
  const meshConfig = options.meshConfigFile === undefined ? fromMap('mesh') : readOneObject(options.meshConfigFile);
  const meshNetworks = options.meshNetworksFile === undefined ? fromMap('meshNetworks') : readOneObject(options.meshNetworksFile);
  const root = meshConfig['rootNamespace'];
  return { meshConfig, meshNetworks, ...(typeof root === 'string' && root !== '' ? { rootNamespace: root } : {}) };
}

function wantsColor(flag: string | boolean | undefined): boolean {
  if (flag === undefined) return process.stdout.isTTY === true && process.env['TERM'] !== 'dumb';
  return String(flag) !== 'false';
}

/** As istioctl lists them: by name, each with a line of what it does. */
function listAnalyzers(): string {
  return [...analyzers]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, description }) => `* ${name}:\n    ${description}\n`)
    .join('');
}

function nothingFound(files: readonly string[], where: string, problems: number): string {
  if (problems > 0)
    return `No validation issues found when analyzing ${where} (but ${problems} ${problems === 1 ? 'file' : 'files'} could not be parsed).`;
  if (files.length > 1) return `✔ No validation issues found when analyzing:\n  - ${files.join('\n  - ')}`;
  return `✔ No validation issues found when analyzing ${files[0] ?? where}.`;
}

function reportRun(where: string, only: readonly string[]): void {
  console.error(`Analyzed resources in ${where}\nExecuted analyzers:`);
  for (const { name, onRequest } of analyzers)
    if (only.length === 0 ? onRequest !== true : only.includes(name)) console.error(`\t ${name}`);
}
