import { isRecord } from '@xebec/config';
import { errorText, nearest } from '@xebec/core';
import {
  type MetricsKind,
  type MetricsRequest,
  metricsKinds,
  metricsQueries,
  type Sample,
  type TrafficMetrics,
  trafficMetricsList,
} from '@xebec/smi';
import { stringify } from 'yaml';
import { KubeObjects } from '../apply/kube-objects.ts';
import { CommandFailure, EXIT } from '../exit.ts';
import { defaultNamespace, type KubeOptions, loadKubeConfig } from '../kube/connection.ts';
import { formatTable } from '../table.ts';

export interface MetricsOptions extends KubeOptions {
  readonly prometheus: string;
  readonly edges?: boolean;
  readonly window: string;
  readonly allNamespaces?: boolean;
  readonly output: string;
}

const TIMEOUT_MS = 30_000;
const SHORT_NAMES: Readonly<Record<string, MetricsKind>> = {
  ns: 'namespaces',
  deploy: 'deployments',
  svc: 'services',
  po: 'pods',
  ts: 'trafficsplits',
};

/** Prints the TrafficMetricsList that metrics.smi-spec.io would answer. */
export async function run(type: string, name: string | undefined, options: MetricsOptions): Promise<void> {
  if (!['short', 'json', 'yaml'].includes(options.output))
    throw new CommandFailure(`-o ${options.output} is not an output format; use short, json or yaml`, EXIT.usage);
  if (!/^\d+(ms|s|m|h|d)$/.test(options.window))
    throw new CommandFailure(`--window ${options.window} is no duration; write 30s, 5m or 1h`, EXIT.usage);
  const request = await requestOf(parseKind(type), name ?? '', options);
  const queries = metricsQueries(request);
  const answers = await Promise.all(queries.map(async (query) => ({ query, samples: await ask(options.prometheus, query.promql) })));
  const list = trafficMetricsList(request, answers, new Date().toISOString().replace(/\.\d+Z$/, 'Z'));
  if (options.output === 'json') process.stdout.write(`${JSON.stringify(list, null, 2)}\n`);
  else if (options.output === 'yaml') process.stdout.write(stringify(list, { aliasDuplicateObjects: false }));
  else if (list.items.length === 0) console.error(`no traffic in the last ${options.window}`);
  else process.stdout.write(formatTable(['NAMESPACE', 'NAME', 'EDGE', 'SUCCESS', 'FAILURE', 'P50', 'P90', 'P99'], list.items.map(row)));
}

function parseKind(type: string): MetricsKind {
  const kinds = Object.keys(metricsKinds);
  const wanted = SHORT_NAMES[type] ?? kinds.find((kind) => kind === type || kind === `${type}s`);
  const found = kinds.find((kind): kind is MetricsKind => kind === wanted);
  if (found !== undefined) return found;
  const suggestion = nearest(type, kinds);
  throw new CommandFailure(
    `no traffic metrics of "${type}"${suggestion === undefined ? '' : `; did you mean ${suggestion}?`} There are ${kinds.join(', ')}`,
    EXIT.usage,
  );
}

async function requestOf(kind: MetricsKind, name: string, options: MetricsOptions): Promise<MetricsRequest> {
  const everywhere = options.allNamespaces === true || kind === 'namespaces';
  const place = everywhere ? '' : (options.namespace ?? defaultNamespace(loadKubeConfig(options), options));
  const base = { kind, name, window: options.window, edges: options.edges === true };
  if (kind !== 'trafficsplits') return { ...base, namespace: place };
  if (name === '') throw new CommandFailure('metrics of a TrafficSplit need its name: xebec smi metrics trafficsplit NAME', EXIT.usage);
  const config = loadKubeConfig(options);
  const namespace = defaultNamespace(config, options);
  const raw = await new KubeObjects(config).read({
    apiVersion: 'split.smi-spec.io/v1alpha4',
    kind: 'TrafficSplit',
    metadata: { name, namespace },
  });
  if (raw === undefined) throw new CommandFailure(`TrafficSplit ${namespace}/${name} does not exist`);
  const spec = isRecord(raw['spec']) ? raw['spec'] : {};
  const backends = Array.isArray(spec['backends']) ? spec['backends'].filter(isRecord) : [];
  return {
    ...base,
    namespace,
    split: {
      apex: String(spec['service'] ?? ''),
      backends: backends.map(({ service, weight }) => ({ name: String(service).split('.')[0] ?? '', weight: Number(weight) || 0 })),
    },
  };
}

/** An instant query; its rows. */
async function ask(prometheus: string, promql: string): Promise<readonly Sample[]> {
  let body: unknown;
  try {
    const url = new URL('api/v1/query', prometheus.endsWith('/') ? prometheus : `${prometheus}/`);
    const response = await fetch(url, {
      method: 'POST',
      body: new URLSearchParams({ query: promql }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    body = await response.json();
  } catch (error) {
    throw new CommandFailure(`--prometheus ${prometheus} does not answer as Prometheus does: ${errorText(error)}`);
  }
  if (!isRecord(body) || body['status'] !== 'success' || !isRecord(body['data']) || !Array.isArray(body['data']['result']))
    throw new CommandFailure(`Prometheus refuses a query: ${isRecord(body) ? String(body['error'] ?? 'no result') : 'no JSON object'}`);
  return body['data']['result'].filter(isRecord).map(({ metric, value }) => ({
    labels: isRecord(metric) ? Object.fromEntries(Object.entries(metric).map(([label, text]) => [label, String(text)])) : {},
    value: Array.isArray(value) ? Number(value[1]) : Number.NaN,
  }));
}

function row({ resource, edge, backend, metrics }: TrafficMetrics): string[] {
  const value = (name: string) => metrics.find((metric) => metric.name === name)?.value ?? '';
  const other = 'name' in edge.resource && edge.resource.name !== undefined ? `${edge.direction} ${edge.resource.name}` : '-';
  return [
    resource.namespace ?? '-',
    backend === undefined ? (resource.name ?? '') : `${resource.name} (${backend.name}, weight ${backend.weight})`,
    other,
    value('success_count'),
    value('failure_count'),
    ...['p50', 'p90', 'p99'].map((quantile) => value(`${quantile}_response_latency`).replace(/m$/, 'ms')),
  ];
}
