import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { eventually, freePort, requiredPeer, startDaemon, startProcess } from '../src/daemon-process.ts';
import { serveWorkloadSecrets } from '../src/workload-secrets.ts';

const ENVOY = requiredPeer('ENVOY');

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function startBackend(answer: string): Promise<number> {
  const server = createServer((_request, response) => response.end(answer));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  // A TCP server has an address with a port.
  return (server.address() as AddressInfo).port;
}

const service = (name: string, port: number, at: number) => `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ${name}, namespace: default}
spec:
  hosts: [${name}.default.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: ${at}, name: http, protocol: HTTP}]
  endpoints: [{address: 127.0.0.1, ports: {http: ${port}}}]
---
`;
const split = (v1: number, v2: number) => `apiVersion: split.smi-spec.io/v1alpha4
kind: TrafficSplit
metadata: {name: web, namespace: default}
spec:
  service: web
  backends:
  - {service: web-v1, weight: ${v1}}
  - {service: web-v2, weight: ${v2}}
---
apiVersion: split.smi-spec.io/v1alpha4
kind: TrafficSplit
metadata: {name: web-beta, namespace: default}
spec:
  service: web
  matches: [{kind: HTTPRouteGroup, name: beta}]
  backends: [{service: web-v2, weight: 1}]
---
apiVersion: specs.smi-spec.io/v1alpha4
kind: HTTPRouteGroup
metadata: {name: beta, namespace: default}
spec:
  matches:
  - {name: testers, headers: {cookie: "^(.*?;)?(beta=yes)(;.*)?$"}}
  - {name: path, pathRegex: "/beta/.*", methods: [GET]}
`;
const sidecar = (port: number) => `apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: client, namespace: default}
spec:
  egress:
  - {port: {number: ${port}, name: http, protocol: HTTP}, bind: 127.0.0.1, captureMode: NONE, hosts: ["*/*"]}
`;

function bootstrap(grpcPort: number, adminPort: number): string {
  const source = { ads: {}, resource_api_version: 'V3' };
  return JSON.stringify({
    node: {
      id: 'sidecar~127.0.0.1~client-1.default~default.svc.cluster.local',
      cluster: 'client.default',
      metadata: { NAMESPACE: 'default', LABELS: { app: 'client' } },
    },
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: adminPort } } },
    dynamic_resources: {
      ads_config: { api_type: 'GRPC', transport_api_version: 'V3', grpc_services: [{ envoy_grpc: { cluster_name: 'xds-grpc' } }] },
      cds_config: source,
      lds_config: source,
    },
    static_resources: {
      clusters: [
        { name: 'xds-grpc', address: { socket_address: { address: '127.0.0.1', port_value: grpcPort } } },
        { name: 'sds-grpc', address: { pipe: { path: './sds' } } },
      ].map(({ name, address }) => ({
        name,
        type: 'STATIC',
        typed_extension_protocol_options: {
          'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
            '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
            explicit_http_config: { http2_protocol_options: {} },
          },
        },
        load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] },
      })),
    },
  });
}

it('a stock Envoy splits as TrafficSplits and HTTPRouteGroups say, and follows them', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'xebec-smi-'));
  cleanups.push(() => rm(directory, { recursive: true, force: true }));
  const write = async (name: string, text: string) => {
    await writeFile(join(directory, `.${name}`), text);
    await rename(join(directory, `.${name}`), join(directory, name));
  };
  const [root, v1, v2] = [await startBackend('root'), await startBackend('v1'), await startBackend('v2')];
  const [grpcPort, httpPort, adminPort, outPort] = [await freePort(), await freePort(), await freePort(), await freePort()];
  const secrets = await serveWorkloadSecrets(join(directory, 'sds'), 'spiffe://cluster.local/ns/default/sa/default');
  cleanups.push(async () => secrets.close());
  await write(
    'services.yaml',
    service('web', root, outPort) + service('web-v1', v1, outPort) + service('web-v2', v2, outPort) + sidecar(outPort),
  );
  await write('split.yaml', split(1, 0));
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
  await eventually('pilot', async () => ((await fetch(`http://127.0.0.1:${httpPort}/readyz`)).ok ? true : undefined));
  await writeFile(join(directory, 'envoy.json'), bootstrap(grpcPort, adminPort));
  const envoy = startProcess(ENVOY, ['-c', join(directory, 'envoy.json'), '--use-dynamic-base-id', '-l', 'warning'], { cwd: directory });
  cleanups.push(() => envoy.stop());

  const ask = (path: string, headers: Record<string, string> = {}) =>
    new Promise<string>((resolve, reject) => {
      const outgoing = request(
        { host: '127.0.0.1', port: outPort, path, headers: { host: `web.default.svc.cluster.local:${outPort}`, ...headers } },
        (response) => {
          let body = '';
          response.setEncoding('utf8').on('data', (chunk: string) => {
            body += chunk;
          });
          response.once('end', () => resolve(response.statusCode === 200 ? body : `status ${response.statusCode}`));
        },
      );
      outgoing.once('error', reject);
      outgoing.end();
    });
  await eventually('v1 behind Envoy', async () => ((await ask('/')) === 'v1' ? true : undefined), 30_000).catch((cause) => {
    throw new Error(`Envoy does not route:\n${envoy.output()}`, { cause });
  });
  expect(await ask('/', { cookie: 'a=b;beta=yes;c=d' })).toBe('v2');
  expect(await ask('/', { cookie: 'beta=no' })).toBe('v1');
  expect(await ask('/beta/x?y=1')).toBe('v2');
  expect(await ask('/beta')).toBe('v1');

  await write('split.yaml', split(3, 1));
  await eventually('v2 in the split', async () => ((await ask('/')) === 'v2' ? true : undefined));
  const answers: string[] = [];
  for (let count = 0; count < 400; count++) answers.push(await ask('/'));
  expect(new Set(answers)).toEqual(new Set(['v1', 'v2']));
  const share = answers.filter((answer) => answer === 'v2').length / answers.length;
  // Four standard deviations around a quarter.
  expect(Math.abs(share - 0.25)).toBeLessThan(0.09);

  await write('split.yaml', service('unrelated', v1, outPort));
  await eventually('the service itself without a split', async () => ((await ask('/')) === 'root' ? true : undefined));
}, 90_000);
