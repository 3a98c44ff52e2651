import { CoreV1Api, type KubeConfig } from '@kubernetes/client-node';
import { CommandFailure, EXIT } from '../exit.ts';
import { callApi, execInPod, type KubeOptions, loadKubeConfig } from '../kube/connection.ts';
import { formatTable } from '../table.ts';

export interface StatusOptions extends KubeOptions {
  readonly output: string;
  readonly istioNamespace: string;
}

/** What `/debug/syncz` of a pilot says of one proxy; the fields that are read. */
interface SyncEntry {
  readonly proxy: string;
  readonly cluster_id?: string;
  readonly istio_version?: string;
  readonly cluster_sent?: string;
  readonly cluster_acked?: string;
  readonly listener_sent?: string;
  readonly listener_acked?: string;
  readonly route_sent?: string;
  readonly route_acked?: string;
  readonly endpoint_sent?: string;
  readonly endpoint_acked?: string;
  readonly [field: string]: unknown;
}

export interface ProxyStatusRow {
  readonly name: string;
  readonly cluster: string;
  readonly cds: string;
  readonly lds: string;
  readonly eds: string;
  readonly rds: string;
  readonly pilot: string;
  readonly version: string;
}

function state(sent: string | undefined, acked: string | undefined): string {
  if (sent === undefined || sent === '') return 'NOT SENT';
  return sent === acked ? 'SYNCED' : 'STALE';
}

export function statusRows(entries: readonly SyncEntry[], pilot: string): ProxyStatusRow[] {
  return entries.map((entry) => ({
    name: entry.proxy.split('~')[2] ?? entry.proxy,
    cluster: entry.cluster_id ?? '',
    cds: state(entry.cluster_sent, entry.cluster_acked),
    lds: state(entry.listener_sent, entry.listener_acked),
    eds: state(entry.endpoint_sent, entry.endpoint_acked),
    rds: state(entry.route_sent, entry.route_acked),
    pilot,
    version: entry.istio_version ?? '',
  }));
}

/** Every proxy that a pilot serves, from all pilots of the mesh. */
export async function fetchStatus(config: KubeConfig, namespace: string): Promise<ProxyStatusRow[]> {
  const api = config.makeApiClient(CoreV1Api);
  const { items } = await callApi(
    config,
    api.listNamespacedPod({ namespace, labelSelector: 'app=istio-pilot' }),
    `pilots in namespace ${namespace}`,
  );
  if (items.length === 0) throw new CommandFailure(`no pilot runs in namespace "${namespace}"; name another with --istioNamespace`);
  const rows: ProxyStatusRow[] = [];
  for (const pod of items) {
    const container = pod.spec?.containers[0]?.name ?? '';
    const text = await execInPod(config, pod, container, ['curl', '-sf', 'http://127.0.0.1:15014/debug/syncz']);
    const entries: unknown = JSON.parse(text);
    if (!Array.isArray(entries)) throw new CommandFailure(`${pod.metadata?.name}: /debug/syncz is not a list`);
    rows.push(...statusRows(entries, pod.metadata?.name ?? ''));
  }
  return rows.sort((a, b) => (a.name < b.name ? -1 : 1));
}

export async function run(options: StatusOptions): Promise<void> {
  if (options.output !== 'table' && options.output !== 'json')
    throw new CommandFailure(`-o ${options.output} is not an output format; use table or json`, EXIT.usage);
  const rows = await fetchStatus(loadKubeConfig(options), options.istioNamespace);
  if (options.output === 'json') {
    process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
    return;
  }
  const header = ['NAME', 'CLUSTER', 'CDS', 'LDS', 'EDS', 'RDS', 'PILOT', 'VERSION'];
  process.stdout.write(
    formatTable(
      header,
      rows.map((row) => [row.name, row.cluster, row.cds, row.lds, row.eds, row.rds, row.pilot, row.version]),
    ),
  );
}
