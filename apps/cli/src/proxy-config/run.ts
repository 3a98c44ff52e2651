import { readFile } from 'node:fs/promises';
import { type DescMessage, type JsonValue, type MessageShape, type Registry, toJson } from '@bufbuild/protobuf';
import { BootstrapConfigDumpSchema } from '@xebec/protos/envoy/admin/v3/config_dump';
import { ClusterSchema } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import { TypedExtensionConfigSchema } from '@xebec/protos/envoy/config/core/v3/extension';
import { ClusterLoadAssignmentSchema } from '@xebec/protos/envoy/config/endpoint/v3/endpoint';
import { ListenerSchema } from '@xebec/protos/envoy/config/listener/v3/listener';
import { RouteConfigurationSchema } from '@xebec/protos/envoy/config/route/v3/route';
import { createProtoRegistry } from '@xebec/protos/registry';
import { stringify } from 'yaml';
import { CommandFailure, EXIT } from '../exit.ts';
import { defaultNamespace, findPod, type KubeOptions, loadKubeConfig, proxyAdmin } from '../kube/connection.ts';
import { bootstrapTable } from './bootstrap.ts';
import { clusterTable, selectClusters } from './clusters.ts';
import { type ProxyDump, parseConfigDump } from './dump.ts';
import { assignmentRows, assignmentTable, endpointRows, endpointTable, parseClusters } from './endpoints.ts';
import { extensionTable } from './extensions.ts';
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
  readonly reset?: boolean;
  /** What the proxy's admin server said, instead of a proxy. */
  readonly file?: string;
}

/** A live proxy that can be asked, or a file of what one said. */
interface Target {
  admin(method: 'GET' | 'POST', path: string): Promise<string>;
  dump(): Promise<ProxyDump>;
  readonly registry: Registry;
}

async function target(reference: string | undefined, options: ProxyConfigOptions): Promise<Target> {
  const { file } = options;
  if (file !== undefined) return fileTarget(file);
  if (reference === undefined) throw new CommandFailure('which proxy? Name a pod, or a config dump with --file', EXIT.usage);
  const config = loadKubeConfig(options);
  const pod = await findPod(config, reference, defaultNamespace(config, options));
  const registry = createProtoRegistry();
  const admin = (method: 'GET' | 'POST', path: string) => proxyAdmin(config, pod, method, path);
  return { admin, registry, dump: async () => parseConfigDump(await admin('GET', '/config_dump?include_eds'), registry) };
}

/** `-` is the standard input. */
function fileTarget(file: string): Target {
  const registry = createProtoRegistry();
  const admin = async (method: 'GET' | 'POST'): Promise<string> => {
    if (method === 'POST') throw new CommandFailure('a file cannot be changed; name a pod instead of --file', EXIT.usage);
    return readFile(file === '-' ? '/dev/stdin' : file, 'utf8').catch((error: unknown) => {
      throw new CommandFailure(`--file ${file}: ${error instanceof Error ? error.message : String(error)}`, EXIT.usage);
    });
  };
  const dump = async (): Promise<ProxyDump> => {
    const text = await admin('GET');
    try {
      return parseConfigDump(text, registry);
    } catch (error) {
      throw new CommandFailure(
        `--file ${file} is not a config dump: ${error instanceof Error ? error.message : String(error)}`,
        EXIT.usage,
      );
    }
  };
  return { admin, registry, dump };
}

function print(text: string): void {
  process.stdout.write(text);
}

type Format = 'json' | 'yaml';

function printAs(format: Format, value: JsonValue): void {
  print(format === 'json' ? `${JSON.stringify(value, null, 2)}\n` : stringify(value));
}

/** Undefined: a table. */
function formatOf({ output }: ProxyConfigOptions): Format | undefined {
  if (output === 'json' || output === 'yaml') return output;
  if (output === 'short' || output === 'table') return undefined;
  throw new CommandFailure(`-o ${output} is not an output format; use short, json or yaml`, EXIT.usage);
}

function messages<D extends DescMessage>(desc: D, list: readonly MessageShape<D>[], registry: Registry): JsonValue {
  return list.map((message) => toJson(desc, message, { registry }));
}

function port(options: ProxyConfigOptions): number | undefined {
  return options.port === undefined ? undefined : Number(options.port);
}

export async function clusters(reference: string | undefined, options: ProxyConfigOptions): Promise<void> {
  const format = formatOf(options);
  const { dump, registry } = await target(reference, options);
  const number = port(options);
  const selected = selectClusters((await dump()).clusters, {
    ...(options.fqdn === undefined ? {} : { fqdn: options.fqdn }),
    ...(number === undefined ? {} : { port: number }),
    ...(options.subset === undefined ? {} : { subset: options.subset }),
    ...(options.direction === undefined ? {} : { direction: options.direction }),
  });
  if (format !== undefined) printAs(format, messages(ClusterSchema, selected, registry));
  else print(clusterTable(selected));
}

export async function listeners(reference: string | undefined, options: ProxyConfigOptions): Promise<void> {
  const format = formatOf(options);
  const { dump, registry } = await target(reference, options);
  const number = port(options);
  const selected = (await dump()).listeners.filter(({ address }) => {
    const socket = address?.address;
    if (socket?.case !== 'socketAddress') return number === undefined && options.address === undefined;
    const { address: host, portSpecifier } = socket.value;
    return (number === undefined || portSpecifier.value === number) && (options.address === undefined || host === options.address);
  });
  if (format !== undefined) printAs(format, messages(ListenerSchema, selected, registry));
  else print(listenerTable(selected));
}

export async function routes(reference: string | undefined, options: ProxyConfigOptions): Promise<void> {
  const format = formatOf(options);
  const { dump, registry } = await target(reference, options);
  const selected = (await dump()).routes.filter(({ name }) => options.name === undefined || name === options.name);
  if (format !== undefined) printAs(format, messages(RouteConfigurationSchema, selected, registry));
  else print(routeTable(selected));
}

export async function endpoints(reference: string | undefined, options: ProxyConfigOptions): Promise<void> {
  const format = formatOf(options);
  const { admin, registry } = await target(reference, options);
  const rows = endpointRows(parseClusters(await admin('GET', '/clusters?format=json'), registry)).filter(
    (row) =>
      (options.cluster === undefined || row.cluster === options.cluster) &&
      (options.port === undefined || row.endpoint.endsWith(`:${options.port}`)) &&
      (options.address === undefined || row.endpoint.startsWith(`${options.address}:`)) &&
      (options.status === undefined || row.status === options.status.toUpperCase()),
  );
  if (format !== undefined)
    printAs(
      format,
      rows.map((row) => ({ ...row })),
    );
  else print(endpointTable(rows));
}

/** As they were discovered: `endpoints` tells what the proxy makes of them. */
export async function eds(reference: string | undefined, options: ProxyConfigOptions): Promise<void> {
  const format = formatOf(options);
  const { dump, registry } = await target(reference, options);
  const all = (await dump()).endpoints.filter(({ clusterName }) => options.cluster === undefined || clusterName === options.cluster);
  if (format !== undefined) {
    printAs(format, messages(ClusterLoadAssignmentSchema, all, registry));
    return;
  }
  const rows = assignmentRows(all).filter(
    ({ name, status }) =>
      (options.port === undefined || name.endsWith(`:${options.port}`)) &&
      (options.address === undefined || name.startsWith(`${options.address}:`)) &&
      (options.status === undefined || status === options.status.toUpperCase()),
  );
  print(assignmentTable(rows));
}

export async function ecds(reference: string | undefined, options: ProxyConfigOptions): Promise<void> {
  const format = formatOf(options);
  const { dump, registry } = await target(reference, options);
  const { extensions } = await dump();
  if (format !== undefined) printAs(format, messages(TypedExtensionConfigSchema, extensions, registry));
  else print(extensionTable(extensions));
}

export async function bootstrap(reference: string | undefined, options: ProxyConfigOptions): Promise<void> {
  const format = formatOf(options);
  const { dump, registry } = await target(reference, options);
  const found = (await dump()).bootstrap;
  if (found === undefined) throw new CommandFailure('the config dump has no bootstrap');
  if (format !== undefined) printAs(format, toJson(BootstrapConfigDumpSchema, found, { registry }));
  else print(bootstrapTable(found));
}

export async function secrets(reference: string | undefined, options: ProxyConfigOptions): Promise<void> {
  const format = formatOf(options);
  const { dump } = await target(reference, options);
  const rows = secretRows((await dump()).secrets, Date.now());
  if (format !== undefined)
    printAs(
      format,
      rows.map((row) => ({ ...row })),
    );
  else print(secretTable(rows));
}

export async function all(reference: string | undefined, options: ProxyConfigOptions): Promise<void> {
  const format = formatOf(options);
  const { admin, dump, registry } = await target(reference, options);
  if (format !== undefined) {
    const text = await admin('GET', '/config_dump?include_eds');
    if (format === 'json') print(text);
    else print(stringify(JSON.parse(text)));
    return;
  }
  const found = await dump();
  const live =
    options.file === undefined
      ? endpointTable(endpointRows(parseClusters(await admin('GET', '/clusters?format=json'), registry)))
      : assignmentTable(assignmentRows(found.endpoints));
  const tables = [
    clusterTable(found.clusters),
    listenerTable(found.listeners),
    routeTable(found.routes),
    live,
    secretTable(secretRows(found.secrets, Date.now())),
  ];
  print(tables.join('\n'));
}

export async function log(reference: string | undefined, options: ProxyConfigOptions): Promise<void> {
  const { admin } = await target(reference, options);
  const levels = options.reset === true ? ['warning'] : options.level === undefined ? [] : options.level.split(',');
  if (levels.length === 0) print(await admin('POST', '/logging'));
  for (const level of levels) {
    const [logger, value] = level.includes(':') ? level.split(':', 2) : ['level', level];
    print(await admin('POST', `/logging?${new URLSearchParams({ [logger === 'level' ? 'level' : String(logger)]: String(value) })}`));
  }
}
