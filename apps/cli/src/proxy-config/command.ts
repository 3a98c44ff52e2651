import { type DescMessage, type JsonValue, type MessageShape, type Registry, toJson } from '@bufbuild/protobuf';
import { ClusterSchema } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import { ListenerSchema } from '@xebec/protos/envoy/config/listener/v3/listener';
import { RouteConfigurationSchema } from '@xebec/protos/envoy/config/route/v3/route';
import { createProtoRegistry } from '@xebec/protos/registry';
import type { Command } from 'commander';
import { CommandFailure, EXIT } from '../exit.ts';
import { defaultNamespace, findPod, type KubeOptions, loadKubeConfig, proxyAdmin } from '../kube/connection.ts';
import { clusterTable, selectClusters } from './clusters.ts';
import { type ProxyDump, parseConfigDump } from './dump.ts';
import { endpointRows, endpointTable, parseClusters } from './endpoints.ts';
import { listenerTable } from './listeners.ts';
import { routeTable } from './routes.ts';
import { secretRows, secretTable } from './secrets.ts';

interface CommonOptions extends KubeOptions {
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

function wantsJson(options: CommonOptions): boolean {
  if (options.output === 'json') return true;
  if (options.output === 'short' || options.output === 'table') return false;
  throw new CommandFailure(`-o ${options.output} is not an output format; use short or json`, EXIT.usage);
}

function messages<D extends DescMessage>(desc: D, list: readonly MessageShape<D>[], registry: Registry): JsonValue {
  return list.map((message) => toJson(desc, message, { registry }));
}

function port(options: CommonOptions): number | undefined {
  return options.port === undefined ? undefined : Number(options.port);
}

async function clusters(reference: string, options: CommonOptions): Promise<void> {
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

async function listeners(reference: string, options: CommonOptions): Promise<void> {
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

async function routes(reference: string, options: CommonOptions): Promise<void> {
  const json = wantsJson(options);
  const { dump, registry } = await target(reference, options);
  const selected = (await dump()).routes.filter(({ name }) => options.name === undefined || name === options.name);
  if (json) printJson(messages(RouteConfigurationSchema, selected, registry));
  else print(routeTable(selected));
}

async function endpoints(reference: string, options: CommonOptions): Promise<void> {
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

async function secrets(reference: string, options: CommonOptions): Promise<void> {
  const json = wantsJson(options);
  const { dump } = await target(reference, options);
  const rows = secretRows((await dump()).secrets, Date.now());
  if (json) printJson(rows.map((row) => ({ ...row })));
  else print(secretTable(rows));
}

async function all(reference: string, options: CommonOptions): Promise<void> {
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

async function log(reference: string, options: CommonOptions): Promise<void> {
  const { admin } = await target(reference, options);
  const levels = options.level === undefined ? [] : options.level.split(',');
  if (levels.length === 0) print(await admin('POST', '/logging'));
  for (const level of levels) {
    const [logger, value] = level.includes(':') ? level.split(':', 2) : ['level', level];
    print(await admin('POST', `/logging?${new URLSearchParams({ [logger === 'level' ? 'level' : String(logger)]: String(value) })}`));
  }
}

export function addProxyConfig(program: Command): void {
  const command = program.command('proxy-config').alias('pc').description('What a proxy runs, read from the proxy itself');
  const verb = (
    name: string,
    aliases: readonly string[],
    description: string,
    run: (reference: string, options: CommonOptions) => Promise<void>,
  ): Command =>
    command
      .command(`${name} <pod[.namespace]>`)
      .aliases([...aliases])
      .description(description)
      .option('-o, --output <format>', 'short or json', 'short')
      .option('-n, --namespace <name>', 'namespace of the pod')
      .option('-c, --kubeconfig <file>', 'kubeconfig')
      .option('--context <name>', 'context of the kubeconfig')
      .action((reference: string, options: CommonOptions) => run(reference, options));
  verb('cluster', ['clusters', 'c'], 'Clusters: where traffic can go', clusters)
    .option('--fqdn <host>', 'only hosts that contain this')
    .option('--port <number>', 'only this port')
    .option('--subset <name>', 'only this subset')
    .option('--direction <direction>', 'inbound or outbound');
  verb('listener', ['listeners', 'l'], 'Listeners and filter chains', listeners)
    .option('--address <ip>', 'only this address')
    .option('--port <number>', 'only this port');
  verb('route', ['routes', 'r'], 'Routes by virtual host', routes).option('--name <name>', 'only this route configuration');
  verb('endpoint', ['endpoints', 'ep'], 'Endpoints with their health', endpoints)
    .option('--cluster <name>', 'only this cluster')
    .option('--address <ip>', 'only this address')
    .option('--port <number>', 'only this port')
    .option('--status <status>', 'only this health status');
  verb('secret', ['secrets', 's'], 'Certificates and their validity', secrets);
  verb('all', ['a'], 'Everything', all);
  verb('log', ['o'], 'Log levels; sets them with --level', log).option('--level <level>', 'level, or logger:level, several with commas');
}
