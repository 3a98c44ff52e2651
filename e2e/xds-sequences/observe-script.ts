import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { connect } from 'node:tls';
import type { Certificates } from '../proxy-differential/harness/certificates.ts';
import { eventually, freePort, requiredPeer, startDaemon, startProcess } from '../src/daemon-process.ts';
import type { Json } from './resources.ts';
import type { Script, Stage, Transport } from './script.ts';
import { ScriptedServer, type SeenRequest } from './scripted-server.ts';

/** What a step is compared by. */
export interface StepSeen {
  readonly step: string;
  /** Requests by type, in the order in which they came. */
  readonly requests: Readonly<Record<string, readonly unknown[]>>;
  readonly traffic: Readonly<Record<string, string>>;
  readonly stats: Readonly<Record<string, string>>;
}

const counters =
  /^(cluster_manager\.(cds\.(update_(success|rejected|failure)|init_fetch_timeout|version_text)|active_clusters|warming_clusters|cluster_(added|modified|removed))|listener_manager\.(lds\.(update_(success|rejected|failure)|init_fetch_timeout|version_text)|listener_(added|modified|removed|create_failure|in_place_updated)|total_listeners_(active|warming))|http\.http\.rds\.[^.]+\.(update_(success|rejected)|init_fetch_timeout)|cluster\.(one|two)\.(update_rejected|init_fetch_timeout|membership_total)|runtime\.num_keys|control_plane\.connected_state|[^ ]*\.ecds\..*(config_fail|config_reload|config_conflict)|[^ ]*sds\.[^ ]*(update_success|update_rejected))$/;

/** Runs a script against one proxy. */
export async function observeScript(
  proxy: 'envoy' | 'xebec',
  script: Script,
  transport: Transport,
  directory: string,
  certificates: Certificates,
  upstreams: { readonly a: number; readonly b: number },
): Promise<readonly StepSeen[]> {
  const server = new ScriptedServer();
  const xdsPort = await server.start();
  const ports = new Map<string, number>();
  for (const name of ['http', 'second']) ports.set(name, await freePort());
  const adminPort = await freePort();
  const stage: Stage = {
    ...upstreams,
    source: (more = {}) =>
      transport.startsWith('ads')
        ? { ads: {}, resource_api_version: 'V3', ...more }
        : { api_config_source: api(transport), resource_api_version: 'V3', ...more },
    port: (name) => ports.get(name) ?? 0,
    pem: (what, part) => readFileSync(certificates[what][part], 'utf8'),
  };
  const subscribes = script.subscribes ?? ['cds', 'lds'];
  const sources = Object.fromEntries(subscribes.map((type) => [`${type}_config`, stage.source()]));
  const config = {
    node: { id: 'scripted', cluster: 'scripts' },
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: adminPort } } },
    dynamic_resources: { ...sources, ...(transport.startsWith('ads') ? { ads_config: api(transport) } : {}) },
    static_resources: { clusters: [xdsCluster(xdsPort)] },
    ...script.bootstrap?.(stage),
  };
  await mkdir(directory, { recursive: true });
  const file = join(directory, `${proxy}-${script.name.replaceAll(/\W/g, '-')}-${transport}.json`);
  await writeFile(file, JSON.stringify(config, undefined, 1));
  const steps = script.steps(stage);
  const first = steps[0];
  if (first?.set !== undefined) server.set(first.set, '1');
  const args = ['-c', file, '--concurrency', '1', '-l', 'warning'];
  const running = proxy === 'envoy' ? startProcess(requiredPeer('ENVOY'), [...args, '--disable-hot-restart']) : startDaemon('proxy', args);
  const seen: StepSeen[] = [];
  try {
    await eventually(`${proxy} to answer`, async () => {
      if (running.child.exitCode !== null) return true;
      return (await fetch(`http://127.0.0.1:${adminPort}/ready`)).status > 0 ? true : undefined;
    });
    if (running.child.exitCode !== null) return [{ step: 'does not start', requests: {}, traffic: {}, stats: {} }];
    for (const [i, step] of steps.entries()) {
      server.unfiltered = step.unfiltered === true;
      if (step.cut === true) server.cut();
      if (i > 0 && step.set !== undefined) server.set(step.set, String(i + 1));
      server.touch();
      if (i === 0)
        await server.settled(
          subscribes.filter((type) => step.set?.[type] !== undefined),
          4000,
        );
      await wait(step.settleMs ?? 0);
      const requests = await server.takeRequests(i === 0 ? 300 : 150);
      const traffic: Record<string, string> = {};
      for (const name of step.ask ?? ['http'])
        traffic[name] = script.tls === true ? await askTls(stage.port(name)) : await ask(stage.port(name));
      seen.push({ step: step.name, requests: byType(requests), traffic, stats: await stats(adminPort) });
    }
    return seen;
  } catch (error) {
    return [...seen, { step: `failed: ${String(error)} ${running.output().slice(-300)}`, requests: {}, traffic: {}, stats: {} }];
  } finally {
    await running.stop('SIGKILL');
    server.close();
  }
}

function api(transport: Transport): Json {
  return {
    api_type: transport.endsWith('delta') ? 'DELTA_GRPC' : 'GRPC',
    transport_api_version: 'V3',
    grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }],
  };
}

function xdsCluster(port: number): Json {
  const name = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
  return {
    name: 'xds',
    type: 'STATIC',
    connect_timeout: '1s',
    load_assignment: {
      cluster_name: 'xds',
      endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } } }] }],
    },
    typed_extension_protocol_options: {
      [name]: { '@type': `type.googleapis.com/${name}`, explicit_http_config: { http2_protocol_options: {} } },
    },
  };
}

/** Requests of one type keep their order; between types it is not fixed. Nonces become the number of the answer within its type. */
function byType(requests: readonly SeenRequest[]): Record<string, unknown[]> {
  const result: Record<string, unknown[]> = {};
  for (const { type, nonce, error, ...rest } of requests) {
    result[type] ??= [];
    const list = result[type];
    list.push({ ...rest, answers: nonce !== '', ...(error === undefined ? {} : { error: kindOf(error) }) });
  }
  return Object.fromEntries(Object.entries(result).sort());
}

/** Which resources an error names where it does; its words are each proxy's own. */
function kindOf(error: string): string {
  const named = [...error.matchAll(/Error adding\/updating (?:cluster|listener)\(s\) ([^:\s]+)/g)].map(([whole]) => whole);
  return named.length === 0 ? 'refused' : named.join(', ');
}

async function ask(port: number): Promise<string> {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' }, signal: AbortSignal.timeout(2000) });
    return `${answer.status} ${await answer.text()}`;
  } catch (error) {
    const cause =
      error instanceof Error && error.cause instanceof Error && 'code' in error.cause ? String(error.cause.code) : String(error);
    return cause;
  }
}

async function askTls(port: number): Promise<string> {
  return await new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, timeout: 2000 });
    const done = (text: string): void => {
      socket.destroy();
      resolve(text);
    };
    socket.once('secureConnect', () => done(String(socket.getPeerCertificate().subject?.CN ?? 'none')));
    socket.once('timeout', () => done('nothing'));
    socket.once('error', (error) => done('code' in error ? String(error.code) : String(error)));
    socket.once('close', () => done('closed'));
  });
}

async function stats(adminPort: number): Promise<Record<string, string>> {
  const text = await (await fetch(`http://127.0.0.1:${adminPort}/stats`, { headers: { connection: 'close' } })).text();
  const entries = text
    .split('\n')
    .map((line) => [line.slice(0, line.indexOf(': ')), line.slice(line.indexOf(': ') + 2)] as const)
    .filter(([name, value]) => counters.test(name) && value !== '0' && value !== '""');
  return Object.fromEntries(entries.sort());
}

/** Two servers that answer with their names. */
export async function startNamedServers(): Promise<{ readonly a: number; readonly b: number; close(): void }> {
  const servers: Server[] = [];
  const start = async (name: string): Promise<number> => {
    const server = createServer((_request, response) => response.end(name));
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  };
  return { a: await start('a'), b: await start('b'), close: () => servers.forEach((server) => void server.close()) };
}
