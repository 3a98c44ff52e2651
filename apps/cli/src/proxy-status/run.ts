import { readFile } from 'node:fs/promises';
import type { KubeConfig } from '@kubernetes/client-node';
import { createProtoRegistry } from '@xebec/protos/registry';
import { stringify } from 'yaml';
import { CommandFailure, EXIT } from '../exit.ts';
import { defaultNamespace, findPod, type KubeOptions, loadKubeConfig, proxyAdmin } from '../kube/connection.ts';
import { findPilots, type PilotReplica, pilotAt } from '../pilot/debug.ts';
import { parseConfigDump } from '../proxy-config/dump.ts';
import { formatTable } from '../table.ts';
import { comparison } from './compare.ts';

export interface StatusOptions extends KubeOptions {
  readonly output: string;
  readonly verbose?: boolean;
  readonly pilot?: string;
  readonly istioNamespace: string;
  /** A config dump of the one proxy. */
  readonly file?: string;
}

/** What `/debug/syncz` of a pilot says of one proxy; the fields that are read. */
interface SyncEntry {
  readonly proxy: string;
  readonly cluster_id?: string;
  readonly istio_version?: string;
  readonly resources?: Readonly<
    Record<string, { readonly state?: string; readonly sent?: string; readonly acked?: string; readonly lastError?: string }>
  >;
}

export interface ProxyStatusRow {
  readonly name: string;
  readonly cluster: string;
  readonly cds: string;
  readonly lds: string;
  readonly eds: string;
  readonly rds: string;
  readonly ecds: string;
  readonly istiod: string;
  readonly version: string;
  /** Why the proxy refuses a type, by the type's short name. */
  readonly errors: Readonly<Record<string, string>>;
}

const TYPES = {
  cds: 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
  lds: 'type.googleapis.com/envoy.config.listener.v3.Listener',
  eds: 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment',
  rds: 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration',
  ecds: 'type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig',
} as const;

export function statusRows(entries: readonly SyncEntry[], pilot: string): ProxyStatusRow[] {
  return entries.map((entry) => {
    const of = (type: keyof typeof TYPES) => entry.resources?.[TYPES[type]];
    // A proxy that does not ask for a type ignores it.
    const state = (type: keyof typeof TYPES) => {
      const found = of(type);
      if (found === undefined) return 'IGNORED';
      if (found.lastError !== undefined) return 'ERROR';
      if (found.sent === undefined || found.sent === '') return 'NOT SENT';
      return found.sent === found.acked ? 'SYNCED' : 'STALE';
    };
    const errors = (Object.keys(TYPES) as (keyof typeof TYPES)[]).flatMap((type) => {
      const error = of(type)?.lastError;
      return error === undefined ? [] : [[type, error] as const];
    });
    return {
      name: entry.proxy.split('~')[2] ?? entry.proxy,
      cluster: entry.cluster_id ?? '',
      cds: state('cds'),
      lds: state('lds'),
      eds: state('eds'),
      rds: state('rds'),
      ecds: state('ecds'),
      istiod: pilot,
      version: entry.istio_version ?? '',
      errors: Object.fromEntries(errors),
    };
  });
}

/** Every proxy that these pilots serve. */
export async function statusOf(pilots: readonly PilotReplica[]): Promise<ProxyStatusRow[]> {
  const rows: ProxyStatusRow[] = [];
  for (const pilot of pilots) {
    const entries = await pilot.read('syncz');
    if (!Array.isArray(entries)) throw new CommandFailure(`${pilot.name}: /debug/syncz is not a list`);
    rows.push(...statusRows(entries, pilot.name));
  }
  return rows.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Every proxy that a pilot serves, from all pilots of the mesh. */
export async function fetchStatus(config: KubeConfig, namespace: string): Promise<ProxyStatusRow[]> {
  return statusOf(await findPilots(config, namespace));
}

export async function run(reference: string | undefined, options: StatusOptions): Promise<void> {
  const { output } = options;
  if (output !== 'table' && output !== 'json' && output !== 'yaml')
    throw new CommandFailure(`-o ${output} is not an output format; use table, json or yaml`, EXIT.usage);
  const pilots = options.pilot === undefined ? await findPilots(loadKubeConfig(options), options.istioNamespace) : [pilotAt(options.pilot)];
  const all = await statusOf(pilots);
  const rows =
    reference === undefined
      ? all
      : all.filter(({ name }) => name === reference || name.startsWith(`${reference}.`) || name.startsWith(`${reference}-`));
  if (reference !== undefined && rows.length === 0)
    throw new CommandFailure(`no proxy "${reference}" is connected; there are: ${all.map(({ name }) => name).join(', ') || 'none'}`);
  if (output === 'json') process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
  else if (output === 'yaml') process.stdout.write(stringify(rows));
  else process.stdout.write(statusTable(rows, options.verbose === true || reference !== undefined));
  const [row] = rows;
  if (reference === undefined || output !== 'table' || row === undefined || rows.length > 1) return;
  const running = await dumpOf(reference, options);
  if (running !== undefined) process.stdout.write(await difference(row, pilots, running));
}

/** What the proxy itself says it runs; undefined where it can neither be asked nor was said. */
async function dumpOf(reference: string, options: StatusOptions): Promise<string | undefined> {
  const { file, pilot } = options;
  if (file !== undefined)
    return readFile(file, 'utf8').catch((error: unknown) => {
      throw new CommandFailure(`--file ${file}: ${error instanceof Error ? error.message : String(error)}`, EXIT.usage);
    });
  // Without an API server nobody knows where the proxy is.
  if (pilot !== undefined) return undefined;
  const config = loadKubeConfig(options);
  return proxyAdmin(config, await findPod(config, reference, defaultNamespace(config, options)), 'GET', '/config_dump');
}

async function difference(row: ProxyStatusRow, pilots: readonly PilotReplica[], running: string): Promise<string> {
  const registry = createProtoRegistry();
  const pilot = pilots.find(({ name }) => name === row.istiod);
  const sent = await pilot?.read(`config_dump?proxyID=${encodeURIComponent(row.name)}`);
  return `\n${comparison(parseConfigDump(JSON.stringify(sent), registry, 'dynamic'), parseConfigDump(running, registry, 'dynamic'), registry)}`;
}

export function statusTable(rows: readonly ProxyStatusRow[], verbose: boolean): string {
  const header = ['NAME', 'CLUSTER', 'CDS', 'LDS', 'EDS', 'RDS', 'ECDS', 'ISTIOD', 'VERSION'];
  const table = formatTable(
    header,
    rows.map((row) => [row.name, row.cluster, row.cds, row.lds, row.eds, row.rds, row.ecds, row.istiod, row.version]),
  );
  if (!verbose) return table;
  const errors = rows.flatMap(({ name, errors }) =>
    Object.entries(errors).map(([type, error]) => `${name} refuses ${type.toUpperCase()}: ${error}\n`),
  );
  return `${table}${errors.join('')}`;
}
