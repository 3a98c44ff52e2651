import { type DescMessage, type JsonValue, type MessageShape, type Registry, toJson } from '@bufbuild/protobuf';
import { ClusterSchema } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import { ListenerSchema } from '@xebec/protos/envoy/config/listener/v3/listener';
import { RouteConfigurationSchema } from '@xebec/protos/envoy/config/route/v3/route';
import { createProtoRegistry } from '@xebec/protos/registry';
import { CommandFailure, EXIT } from '../exit.ts';
import { defaultNamespace, findPod, type KubeOptions, loadKubeConfig, proxyAdmin } from '../kube/connection.ts';
import { clusterTable, selectClusters } from './clusters.ts';
import { type ProxyDump, parseConfigDump } from './dump.ts';
import { endpointRows, endpointTable, parseClusters } from './endpoints.ts';
import { listenerTable } from './listeners.ts';
import { routeTable } from './routes.ts';
import { secretRows, secretTable } from './secrets.ts';

export interface ProxyConfigOptions extends KubeOptions {
  readonly output: string;
  readonly name?: string;
  readonly fqdn?: string;
  readonly port?: string;
  readonly subset?: string;
  readonly direction?: string;
  readonly address?: string;
  readonly cluster?: string;
  readonly status?: string;
  readonly level?: string;
}

/** A live proxy that can be asked. */
interface Target {
  admin(method: 'GET' | 'POST', path: string): Promise<string>;
  dump(): Promise<ProxyDump>;
  readonly registry: Registry;
}

async function target(reference: string, options: KubeOptions): Promise<Target> {
  const config = loadKubeConfig(options);
  const pod = await findPod(config, reference, defaultNamespace(config, options));
  const registry = createProtoRegistry();
  const admin = (method: 'GET' | 'POST', path: string) => proxyAdmin(config, pod, method, path);
  return { admin, registry, dump: async () => parseConfigDump(await admin('GET', '/config_dump?include_eds'), registry) };
}

function print(text: string): void {
  process.stdout.write(text);
}

function printJson(value: JsonValue): void {
  print(`${JSON.stringify(value, null, 2)}\n`);
}

function wantsJson(options: ProxyConfigOptions): boolean {
  if (options.output === 'json') return true;
  if (options.output === 'short' || options.output === 'table') return false;
  throw new CommandFailure(`-o ${options.output} is not an output format; use short or json`, EXIT.usage);
}

function messages<D extends DescMessage>(desc: D, list: readonly MessageShape<D>[], registry: Registry): JsonValue {
  return list.map((message) => toJson(desc, message, { registry }));
}

function port(options: ProxyConfigOptions): number | undefined {
  return options.port === undefined ? undefined : Number(options.port);
}

export async function clusters(reference: string, options: ProxyConfigOptions): Promise<void> {
  const json = wantsJson(options);
  const { dump, registry } = await target(reference, options);
  const number = port(options);
  const selected = selectClusters((await dump()).clusters, {
    ...(options.fqdn === undefined ? {} : { fqdn: options.fqdn }),
    ...(number === undefined ? {} : { port: number }),
    ...(options.subset === undefined ? {} : { subset: options.subset }),
    ...(options.direction === undefined ? {} : { direction: options.direction }),
  });
  if (json) printJson(messages(ClusterSchema, selected, registry));
  else print(clusterTable(selected));
}

export async function listeners(reference: string, options: ProxyConfigOptions): Promise<void> {
  const json = wantsJson(options);
  const { dump, registry } = await target(reference, options);
  const number = port(options);
  const selected = (await dump()).listeners.filter(({ address }) => {
    const socket = address?.address;
    if (socket?.case !== 'socketAddress') return number === undefined && options.address === undefined;
    const { address: host, portSpecifier } = socket.value;
    return (number === undefined || portSpecifier.value === number) && (options.address === undefined || host === options.address);
  });
  if (json) printJson(messages(ListenerSchema, selected, registry));
  else print(listenerTable(selected));
}

export async function routes(reference: string, options: ProxyConfigOptions): Promise<void> {
  const json = wantsJson(options);
  const { dump, registry } = await target(reference, options);
  const selected = (await dump()).routes.filter(({ name }) => options.name === undefined || name === options.name);
  if (json) printJson(messages(RouteConfigurationSchema, selected, registry));
  else print(routeTable(selected));
}

export async function endpoints(reference: string, options: ProxyConfigOptions): Promise<void> {
  const json = wantsJson(options);
  const { admin, registry } = await target(reference, options);
  const rows = endpointRows(parseClusters(await admin('GET', '/clusters?format=json'), registry)).filter(
    (row) =>
      (options.cluster === undefined || row.cluster === options.cluster) &&
      (options.port === undefined || row.endpoint.endsWith(`:${options.port}`)) &&
      (options.address === undefined || row.endpoint.startsWith(`${options.address}:`)) &&
      (options.status === undefined || row.status === options.status.toUpperCase()),
  );
  if (json) printJson(rows.map((row) => ({ ...row })));
  else print(endpointTable(rows));
}

export async function secrets(reference: string, options: ProxyConfigOptions): Promise<void> {
  const json = wantsJson(options);
  const { dump } = await target(reference, options);
  const rows = secretRows((await dump()).secrets, Date.now());
  if (json) printJson(rows.map((row) => ({ ...row })));
  else print(secretTable(rows));
}

export async function all(reference: string, options: ProxyConfigOptions): Promise<void> {
  const json = wantsJson(options);
  const { admin, dump, registry } = await target(reference, options);
  if (json) {
    print(await admin('GET', '/config_dump?include_eds'));
    return;
  }
  const found = await dump();
  const live = endpointRows(parseClusters(await admin('GET', '/clusters?format=json'), registry));
  const tables = [
    clusterTable(found.clusters),
    listenerTable(found.listeners),
    routeTable(found.routes),
    endpointTable(live),
    secretTable(secretRows(found.secrets, Date.now())),
  ];
  print(tables.join('\n'));
}

export async function log(reference: string, options: ProxyConfigOptions): Promise<void> {
  const { admin } = await target(reference, options);
  const levels = options.level === undefined ? [] : options.level.split(',');
  if (levels.length === 0) print(await admin('POST', '/logging'));
  for (const level of levels) {
    const [logger, value] = level.includes(':') ? level.split(':', 2) : ['level', level];
    print(await admin('POST', `/logging?${new URLSearchParams({ [logger === 'level' ? 'level' : String(logger)]: String(value) })}`));
  }
}
