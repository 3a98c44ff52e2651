import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually, freePort, requiredPeer, startDaemon, startProcess } from '../src/daemon-process.ts';
import { serveWorkloadSecrets } from '../src/workload-secrets.ts';

const ENVOY = requiredPeer('ENVOY');

/** What runs behind a test, ended in reverse order. */
const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function startBackend(answer: string): Promise<number> {
  const server: Server = createServer((_request, response) => response.end(answer));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(
    () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(resolve);
      }),
  );
  return (server.address() as AddressInfo).port;
}

function services(v1: number, v2: number): string {
  const endpoint = (port: number, version: string) => `  - {address: 127.0.0.1, ports: {http: ${port}}, labels: {version: ${version}}}`;
  return `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: reviews, namespace: default}
spec:
  hosts: [reviews.default.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports:
  - {number: 9080, name: http, protocol: HTTP}
  endpoints:
${endpoint(v1, 'v1')}
${endpoint(v2, 'v2')}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews, namespace: default}
spec:
  host: reviews.default.svc.cluster.local
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
`;
}

function gateway(port: number): string {
  return `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gateway, namespace: default}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: ${port}, name: http, protocol: HTTP}
    hosts: ["*"]
`;
}

function rule(subset: string): string {
  return `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: default}
spec:
  hosts: ["*"]
  gateways: [gateway]
  http:
  - route:
    - destination: {host: reviews.default.svc.cluster.local, subset: ${subset}}
`;
}

const HTTP2 = {
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
    '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
    explicit_http_config: { http2_protocol_options: {} },
  },
};

/** A bootstrap that takes everything from pilot over ADS. */
function bootstrap(node: object, grpcPort: number, adminPort: number, variant: 'GRPC' | 'DELTA_GRPC'): string {
  const source = { ads: {}, resource_api_version: 'V3' };
  return JSON.stringify({
    node,
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: adminPort } } },
    dynamic_resources: {
      ads_config: { api_type: variant, transport_api_version: 'V3', grpc_services: [{ envoy_grpc: { cluster_name: 'xds-grpc' } }] },
      cds_config: source,
      lds_config: source,
    },
    static_resources: {
      clusters: [
        {
          name: 'xds-grpc',
          type: 'STATIC',
          typed_extension_protocol_options: HTTP2,
          load_assignment: {
            cluster_name: 'xds-grpc',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: grpcPort } } } }] }],
          },
        },
        {
          name: 'sds-grpc',
          type: 'STATIC',
          typed_extension_protocol_options: HTTP2,
          load_assignment: {
            cluster_name: 'sds-grpc',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: { pipe: { path: './sds' } } } }] }],
          },
        },
      ],
    },
  });
}

const router = {
  id: 'router~127.0.0.1~gateway-1.default~default.svc.cluster.local',
  cluster: 'istio-ingressgateway',
  metadata: { NAMESPACE: 'default', LABELS: { istio: 'ingressgateway' } },
};
const sidecar = {
  id: 'sidecar~127.0.0.1~reviews-v1-1.default~default.svc.cluster.local',
  cluster: 'reviews.default',
  metadata: { NAMESPACE: 'default', LABELS: { app: 'reviews' }, INTERCEPTION_MODE: 'REDIRECT' },
};

async function startPilot(directory: string, grpcPort: number, httpPort: number) {
  const pilot = startDaemon('pilot', [
    '--config-dir',
    directory,
    '--registries=',
    '--grpc-addr',
    `127.0.0.1:${grpcPort}`,
    '--http-addr',
    `127.0.0.1:${httpPort}`,
  ]);
  cleanups.push(() => pilot.stop());
  await eventually('pilot to be ready', async () => ((await fetch(`http://127.0.0.1:${httpPort}/readyz`)).ok ? true : undefined)).catch(
    (cause) => {
      throw new Error(`pilot did not start:\n${pilot.output()}`, { cause });
    },
  );
  return pilot;
}

/** Pilot with a directory, and one Envoy beside it. */
async function start(variant: 'GRPC' | 'DELTA_GRPC', node: object) {
  const directory = await mkdtemp(join(tmpdir(), 'xebec-e2e-'));
  cleanups.push(() => rm(directory, { recursive: true, force: true }));
  const [v1, v2] = [await startBackend('v1'), await startBackend('v2')];
  const [grpcPort, httpPort, adminPort, gatewayPort] = [await freePort(), await freePort(), await freePort(), await freePort()];
  const write = async (name: string, text: string) => {
    await writeFile(join(directory, `.${name}`), text);
    await rename(join(directory, `.${name}`), join(directory, name));
  };
  await write('services.yaml', services(v1, v2));
  await write('gateway.yaml', gateway(gatewayPort));
  await write('rule.yaml', rule('v1'));
  const secrets = await serveWorkloadSecrets(join(directory, 'sds'), 'spiffe://cluster.local/ns/default/sa/default');
  cleanups.push(async () => secrets.close());
  const pilot = await startPilot(directory, grpcPort, httpPort);
  const envoy = startProcess(
    ENVOY,
    ['--config-yaml', bootstrap(node, grpcPort, adminPort, variant), '--use-dynamic-base-id', '-l', 'warning'],
    { cwd: directory },
  );
  cleanups.push(() => envoy.stop());
  const json = async (url: string): Promise<unknown> => (await fetch(url)).json();
  return {
    pilot,
    envoy,
    write,
    grpcPort,
    httpPort,
    directory,
    url: `http://127.0.0.1:${gatewayPort}/`,
    /** Answers of the gateway; a failed request shows as its status or error. */
    call: async () => {
      const response = await fetch(`http://127.0.0.1:${gatewayPort}/`);
      return response.ok ? await response.text() : String(response.status);
    },
    stat: async (name: string) => {
      const text = await (await fetch(`http://127.0.0.1:${adminPort}/stats?filter=${encodeURIComponent(`^${name}$`)}`)).text();
      const value = /: (\d+)/.exec(text)?.[1];
      return value === undefined ? undefined : Number(value);
    },
    rejected: async () => {
      const text = await (await fetch(`http://127.0.0.1:${adminPort}/stats?filter=update_rejected`)).text();
      return text.split('\n').filter((line) => line !== '' && !line.endsWith(': 0'));
    },
    ready: async () => (await fetch(`http://127.0.0.1:${adminPort}/ready`)).status === 200,
    syncz: () => json(`http://127.0.0.1:${httpPort}/debug/syncz`),
  };
}

type Mesh = Awaited<ReturnType<typeof start>>;

async function types(mesh: Mesh): Promise<Record<string, string>> {
  const [entry] = (await mesh.syncz()) as { resources: Record<string, { state: string; lastError?: string }> }[];
  return Object.fromEntries(
    Object.entries(entry?.resources ?? {}).map(([type, { state, lastError }]) => [
      type.slice(type.lastIndexOf('.') + 1),
      lastError ?? state,
    ]),
  );
}

describe.each(['GRPC', 'DELTA_GRPC'] as const)('a stock Envoy over %s', (variant) => {
  it('takes CDS, EDS, LDS and RDS of a gateway and follows edits of a file, without a failed request', async () => {
    const mesh = await start(variant, router);
    await eventually('the gateway to answer', async () => ((await mesh.call()) === 'v1' ? true : undefined)).catch(async (cause) => {
      throw new Error(`${JSON.stringify(await mesh.syncz())}\n${mesh.envoy.output()}\n${mesh.pilot.output()}`, { cause });
    });
    expect(await types(mesh)).toEqual({
      Cluster: 'synced',
      ClusterLoadAssignment: 'synced',
      Listener: 'synced',
      RouteConfiguration: 'synced',
    });
    const answers = new Map<string, number>();
    let loading = true;
    const load = (async () => {
      while (loading) {
        const answer = await mesh.call().catch((error: unknown) => `failed: ${String(error)}`);
        answers.set(answer, (answers.get(answer) ?? 0) + 1);
      }
    })();
    for (let round = 0; round < 10; round++) {
      const subset = round % 2 === 0 ? 'v2' : 'v1';
      await mesh.write('rule.yaml', rule(subset));
      await eventually(`answers of ${subset}`, async () => ((await mesh.call()) === subset ? true : undefined));
    }
    loading = false;
    await load;
    expect([...answers.keys()].sort()).toEqual(['v1', 'v2']);
    expect(await mesh.rejected()).toEqual([]);
  });

  it('moves to a renamed subset, whose cluster is new, without a failed request', async () => {
    const mesh = await start(variant, router);
    await eventually('the gateway to answer', async () => ((await mesh.call()) === 'v1' ? true : undefined));
    const answers = new Set<string>();
    let loading = true;
    const load = (async () => {
      while (loading) answers.add(await mesh.call().catch((error: unknown) => `failed: ${String(error)}`));
    })();
    const [v1, v2] = [await startBackend('new'), await startBackend('new')];
    for (let round = 0; round < 5; round++) {
      const name = `fresh${round}`;
      const text = services(v1, v2).replace('{name: v2,', `{name: ${name},`);
      await mesh.write('services.yaml', `${text}---\n${rule(name)}`);
      await rm(join(mesh.directory, 'rule.yaml'), { force: true });
      await eventually(
        `cluster of ${name}`,
        async () => ((await mesh.stat(`cluster\\.outbound\\|9080\\|${name}\\|.*\\.upstream_rq_200`)) ?? 0) > 0 || undefined,
      );
    }
    loading = false;
    await load;
    expect([...answers].sort()).toEqual(['new', 'v1']);
    expect(await mesh.rejected()).toEqual([]);
  });

  it('keeps serving while pilot is killed, and takes up again when it is back', async () => {
    const mesh = await start(variant, router);
    await eventually('the gateway to answer', async () => ((await mesh.call()) === 'v1' ? true : undefined));
    await mesh.pilot.stop('SIGKILL');
    expect(await mesh.call()).toBe('v1');
    await mesh.write('rule.yaml', rule('v2'));
    await startPilot(mesh.directory, mesh.grpcPort, mesh.httpPort);
    await eventually('the new rule', async () => ((await mesh.call()) === 'v2' ? true : undefined));
    expect(await mesh.rejected()).toEqual([]);
  });

  it('takes everything of a sidecar without a NACK', async () => {
    const mesh = await start(variant, sidecar);
    await eventually('Envoy to be ready', async () => ((await mesh.ready()) ? true : undefined)).catch(async (cause) => {
      throw new Error(`${JSON.stringify(await mesh.syncz())}\n${mesh.envoy.output()}`, { cause });
    });
    await eventually('all types', async () => (Object.values(await types(mesh)).every((state) => state === 'synced') ? true : undefined));
    expect(Object.keys(await types(mesh)).sort()).toEqual(['Cluster', 'ClusterLoadAssignment', 'Listener', 'RouteConfiguration']);
    expect(await mesh.rejected()).toEqual([]);
  });
});

const scripts = `apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: script, namespace: default}
spec:
  workloadSelector: {labels: {istio: ingressgateway}}
  configPatches:
  - applyTo: HTTP_FILTER
    match:
      context: GATEWAY
      listener: {filterChain: {filter: {name: envoy.filters.network.http_connection_manager, subFilter: {name: envoy.filters.http.router}}}}
    patch:
      operation: INSERT_BEFORE
      value:
        name: script
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua
          default_source_code:
            inline_string: |
              function envoy_on_response(handle)
                handle:headers():add("x-path", "patched")
              end
---
apiVersion: extensions.istio.io/v1alpha1
kind: TrafficExtension
metadata: {name: script, namespace: default}
spec:
  selector: {matchLabels: {istio: ingressgateway}}
  phase: AUTHZ
  lua:
    inlineCode: |
      function envoy_on_request(handle)
        if handle:headers():get("x-secret") == nil then
          handle:respond({[":status"] = "418"}, "by a script")
        end
      end
      function envoy_on_response(handle)
        handle:headers():add("x-path", "extended")
      end
`;

it('a stock Envoy runs the Lua of EnvoyFilters and TrafficExtensions, in their order, and changes of it', async () => {
  const mesh = await start('GRPC', router);
  await eventually('the gateway to answer', async () => ((await mesh.call()) === 'v1' ? true : undefined));
  await mesh.write('scripts.yaml', scripts);
  const ask = (secret: boolean) => fetch(mesh.url, { headers: secret ? { 'x-secret': 'yes' } : {} });
  const path = async () => (await ask(true)).headers.get('x-path') ?? undefined;
  // Answers come back through the chain: the filter next to the router is the first to see them.
  await eventually('both scripts', async () => ((await path()) === 'patched, extended' ? true : undefined)).catch(async (cause) => {
    throw new Error(`x-path: ${await path()}\n${mesh.envoy.output()}\n${mesh.pilot.output()}`, { cause });
  });
  const refused = await ask(false);
  expect([refused.status, await refused.text()]).toEqual([418, 'by a script']);
  await mesh.write('scripts.yaml', scripts.replace('"patched"', '"changed"'));
  await eventually('the changed script', async () => ((await path()) === 'changed, extended' ? true : undefined));
  await rm(join(mesh.directory, 'scripts.yaml'));
  await eventually('no script', async () => ((await path()) === undefined ? true : undefined));
  expect(await mesh.rejected()).toEqual([]);
});
