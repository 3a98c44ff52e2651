import { CoreV1Api, type KubeConfig } from '@kubernetes/client-node';
import { decodeAny, readYamlObjects } from '@xebec/config';
import { errorText } from '@xebec/core';
import { createSnapshot, type MeshSnapshot } from '@xebec/model';
import { KubernetesRegistry, plannedChanges, REGISTRY_KINDS } from '@xebec/platforms';
import { type ConfigObject, decodeMeshConfig, type MeshConfig } from '@xebec/schemas';
import { parse } from 'yaml';
import { readLive } from '../analyze/live.ts';
import { CommandFailure, EXIT } from '../exit.ts';
import { callApi, findPod, type KubeOptions, loadKubeConfig, proxyAdmin } from '../kube/connection.ts';
import { readText } from '../offline/mesh-files.ts';
import { formatTable } from '../table.ts';
import { observedTraffic } from './observed-traffic.ts';
import { type ReportPod, type StrictReport, strictReport } from './report.ts';
import { livePods, plannedPods } from './report-pods.ts';

export interface StrictReportOptions extends KubeOptions {
  readonly file?: readonly string[];
  readonly meshConfig?: string;
  readonly output: string;
}

/** Proxies asked at the same time. */
const AT_ONCE = 8;

export async function run(options: StrictReportOptions): Promise<void> {
  const { output, namespace } = options;
  if (output !== 'short' && output !== 'json')
    throw new CommandFailure(`-o ${output} is not an output format; use short or json`, EXIT.usage);
  const { report, problems } = options.file === undefined ? await ofLive(options) : ofFiles(options.file, options.meshConfig);
  const workloads = report.workloads.filter((each) => namespace === undefined || each.namespace === namespace);
  const chosen: StrictReport = { ...report, workloads };
  if (output === 'json') process.stdout.write(`${JSON.stringify(chosen, null, 2)}\n`);
  else process.stdout.write(reportText(chosen));
  for (const problem of problems) console.error(`Error: ${problem}`);
  if (workloads.some(({ verdict }) => verdict === 'breaks')) process.exitCode = EXIT.analyzerFoundIssues;
  else if (problems.length > 0) process.exitCode = EXIT.failure;
}

export function reportText({ workloads, callersWithoutSidecar, rules }: StrictReport): string {
  if (workloads.length === 0) return 'No workloads.\n';
  const table = formatTable(
    ['NAMESPACE', 'WORKLOAD', 'MODE', 'STRICT', 'PLAINTEXT', 'MUTUAL TLS'],
    workloads.map(({ namespace, workload, mode, verdict, plaintext, mutualTls }) => {
      const sum = plaintext.reduce((total, { count }) => total + count, 0);
      return [namespace, workload, mode, verdict, String(sum), String(mutualTls)];
    }),
  );
  const evidence = workloads
    .filter(({ verdict }) => verdict === 'breaks')
    .flatMap(({ namespace, workload, evidence: lines }) => [`${namespace}/${workload}:`, ...lines.map((line) => `  ${line}`)]);
  const sections = [
    evidence.length === 0 ? [] : ['', 'What STRICT would break:', ...evidence],
    callersWithoutSidecar.length === 0
      ? []
      : ['', 'Callers without a sidecar, which can send plaintext alone:', ...callersWithoutSidecar.map((line) => `  ${line}`)],
    rules.length === 0 ? [] : ['', 'Rules by which sidecars leave the TLS of the mesh out:', ...rules.map((line) => `  ${line}`)],
  ].flat();
  return `${table}${sections.map((line) => `${line}\n`).join('')}`;
}

async function ofLive(options: StrictReportOptions): Promise<{ report: StrictReport; problems: readonly string[] }> {
  const config = loadKubeConfig(options);
  const raw = await readLive(config);
  const contents = raw.map(({ content }) => content);
  const mesh = await liveMeshConfig(config);
  const decoded = decodedOf(contents);
  const registry = new KubernetesRegistry('cluster.local');
  registry.apply(
    decoded
      .filter(({ kind }) => REGISTRY_KINDS.has(kind))
      .map(({ kind, metadata, spec }) => ({ kind, namespace: metadata.namespace, name: metadata.name, raw: spec })),
  );
  const problems: string[] = [];
  const pods = await withTraffic(config, livePods(contents), options.namespace, problems);
  return { report: strictReport({ snapshot: snapshotOf(decoded, registry, mesh), pods }), problems };
}

function ofFiles(files: readonly string[], meshConfigFile: string | undefined): { report: StrictReport; problems: readonly string[] } {
  const problems: string[] = [];
  const contents = files.flatMap((file) => {
    const { objects, problems: broken } = readYamlObjects(readText(file === '-' ? '/dev/stdin' : file, 'file'));
    problems.push(...broken.map(({ line, message }) => `${file}:${line}: ${message}`));
    return objects.map(({ value }) => value);
  });
  const registry = new KubernetesRegistry('cluster.local');
  registry.apply(plannedChanges(contents));
  const mesh = meshConfigFile === undefined ? {} : meshConfigOf(readText(meshConfigFile, 'mesh config'), meshConfigFile);
  return { report: strictReport({ snapshot: snapshotOf(decodedOf(contents), registry, mesh), pods: plannedPods(contents) }), problems };
}

function decodedOf(contents: readonly unknown[]): ConfigObject[] {
  return contents.flatMap((content) => {
    const decoded = decodeAny(content, { defaultNamespace: 'default' });
    return decoded.ok && decoded.value !== undefined ? [decoded.value] : [];
  });
}

function snapshotOf(decoded: readonly ConfigObject[], registry: KubernetesRegistry, mesh: MeshConfig): MeshSnapshot {
  const config = decoded.filter(({ kind }) => !REGISTRY_KINDS.has(kind));
  return createSnapshot({ version: 'report', mesh, ...registry.view(mesh, config) });
}

async function liveMeshConfig(config: KubeConfig): Promise<MeshConfig> {
  const api = config.makeApiClient(CoreV1Api);
  const { items } = await callApi(config, api.listNamespacedConfigMap({ namespace: 'istio-system' }), 'mesh configuration');
  const text = items.find(({ metadata }) => metadata?.name === 'istio')?.data?.['mesh'];
  return text === undefined ? {} : meshConfigOf(text, 'ConfigMap istio-system/istio');
}

function meshConfigOf(text: string, where: string): MeshConfig {
  let content: unknown;
  try {
    content = parse(text) ?? {};
  } catch (error) {
    throw new CommandFailure(`mesh config ${where}: malformed YAML: ${errorText(error)}`, EXIT.data);
  }
  const decoded = decodeMeshConfig(content);
  if (!decoded.ok)
    throw new CommandFailure(
      `mesh config ${where}: ${decoded.error.map(({ path, message }) => `${path}: ${message}`).join('; ')}`,
      EXIT.data,
    );
  return decoded.value;
}

/** Pods with what their proxies counted; those of other namespaces than the one asked for are not bothered. */
async function withTraffic(
  config: KubeConfig,
  pods: readonly ReportPod[],
  namespace: string | undefined,
  problems: string[],
): Promise<ReportPod[]> {
  const waiting = pods.map((pod, index) => ({ pod, index }));
  const found: ReportPod[] = [...pods];
  const worker = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const { pod, index } = next;
      if (!pod.sidecar || (namespace !== undefined && pod.namespace !== namespace)) continue;
      try {
        const page = await proxyAdmin(
          config,
          await findPod(config, `${pod.name}.${pod.namespace}`, pod.namespace),
          'GET',
          '/stats/prometheus?filter=istio_',
        );
        found[index] = { ...pod, traffic: observedTraffic(page) };
      } catch (error) {
        problems.push(`pod ${pod.namespace}/${pod.name} cannot be asked what it has seen: ${errorText(error)}`);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return found;
}
