import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { toJson } from '@bufbuild/protobuf';
import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import { type Node, NodeSchema } from '@xebec/protos/envoy/config/core/v3/base';
import { AggregatedDiscoveryService } from '@xebec/protos/envoy/service/discovery/v3/ads';
import type { DiscoveryRequest } from '@xebec/protos/envoy/service/discovery/v3/discovery';
import { createProtoRegistry } from '@xebec/protos/registry';
import { serviceDefinition } from '@xebec/rpc';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { freePort, requiredPeer, startProcess } from '../src/daemon-process.ts';

const ENVOY = requiredPeer('ENVOY');
const JWT = 'envoy.filters.http.jwt_authn';
const MESH = `apiVersion: v1
kind: Service
metadata: {name: shop, namespace: default}
spec:
  clusterIP: 10.96.0.1
  selector: {app: shop}
  ports: [{name: http, port: 80, targetPort: 8080}]
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: jwt, namespace: default}
spec:
  jwtRules: [{issuer: A, jwks: '{"keys":[{"kty":"oct","alg":"HS256","k":"c2VjcmV0"}]}'}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop, namespace: default}
spec:
  hosts: [shop]
  http:
  - corsPolicy: {allowOrigins: [{exact: a}]}
    fault: {abort: {percentage: {value: 1}, httpStatus: 503}}
    route: [{destination: {host: shop}}]
---
apiVersion: v1
kind: Pod
metadata: {name: shop-1, namespace: default, labels: {app: shop}}
status: {phase: Running, podIP: 10.0.0.1}
`;

let directory = '';
let node: Node | undefined;

/** The node that a stock Envoy sends: with all the extensions it was built with. */
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'xebec-node-'));
  const server = new Server();
  const asked = Promise.withResolvers<Node>();
  server.addService(serviceDefinition(AggregatedDiscoveryService), {
    StreamAggregatedResources: (call: ServerDuplexStream<DiscoveryRequest, never>) => {
      call.on('error', () => undefined);
      call.on('data', (request: DiscoveryRequest) => request.node !== undefined && asked.resolve(request.node));
    },
    DeltaAggregatedResources: () => undefined,
  });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  const file = join(directory, 'bootstrap.json');
  await writeFile(file, bootstrap(port, await freePort()));
  const envoy = startProcess(ENVOY, ['-c', file, '--use-dynamic-base-id', '-l', 'error'], { cwd: directory });
  try {
    node = await asked.promise;
  } finally {
    await envoy.stop();
    server.forceShutdown();
  }
}, 30_000);
afterAll(() => rm(directory, { recursive: true, force: true }));

function bootstrap(port: number, adminPort: number): string {
  const address = (of: number) => ({ socket_address: { address: '127.0.0.1', port_value: of } });
  return JSON.stringify({
    node: {
      id: 'sidecar~10.0.0.1~shop-1.default~default.svc.cluster.local',
      cluster: 'shop.default',
      metadata: { NAMESPACE: 'default', LABELS: { app: 'shop' } },
    },
    admin: { address: address(adminPort) },
    dynamic_resources: {
      ads_config: { api_type: 'GRPC', transport_api_version: 'V3', grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }] },
      cds_config: { ads: {}, resource_api_version: 'V3' },
    },
    static_resources: {
      clusters: [
        {
          name: 'xds',
          type: 'STATIC',
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
          load_assignment: { cluster_name: 'xds', endpoints: [{ lb_endpoints: [{ endpoint: { address: address(port) } }] }] },
        },
      ],
    },
  });
}

/** What pilot would send a proxy that is the same but lacks some filters. */
async function sentWithout(...lacking: readonly string[]): Promise<string> {
  const sent = toJson(NodeSchema, node ?? expect.fail('Envoy has not said who it is'), { registry: createProtoRegistry() });
  const { extensions, ...rest } = sent as { extensions: { name: string }[] };
  await writeFile(
    join(directory, 'node.json'),
    JSON.stringify({ ...rest, extensions: extensions.filter(({ name }) => !lacking.includes(name)) }),
  );
  await writeFile(join(directory, 'mesh.yaml'), MESH);
  const cli = new URL('../../apps/cli/bin/xebec.ts', import.meta.url).pathname;
  const args = [cli, 'xds', '-f', join(directory, 'mesh.yaml'), '--node', join(directory, 'node.json'), '-o', 'json'];
  const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 64 * 1024 * 1024 });
  return stdout;
}

it('a stock Envoy lists what it has, and gets nothing else', async () => {
  const names = new Set(node?.extensions.map(({ name }) => name));
  expect(names.size).toBeGreaterThan(100);
  const text = await sentWithout();
  // `@type` is not a name: filters and their like are named under "name".
  const filters = [...text.matchAll(/"name": ?"(envoy\.(?:filters|access_loggers|transport_sockets)\.[^"]+)"/g)].map(
    ([, name]) => name ?? '',
  );
  expect(filters).toContain(JWT);
  expect(filters.filter((name) => !names.has(name))).toEqual([]);
  expect(text).not.toMatch(/"(istio|xebec)\.(alpn|metadata_exchange|stats|filters\.http\.mixer)"/);
  expect(text).not.toContain('xebec-filter-missing');
});

it('an Envoy that lacks filters does not get them, and denies where one of them would have guarded', async () => {
  const text = await sentWithout(JWT, 'envoy.filters.http.cors', 'envoy.filters.http.fault');
  expect(text).toContain(`xebec-filter-missing[${JWT}]`);
  expect(text).not.toMatch(/"envoy\.filters\.http\.(jwt_authn|cors|fault)"/);
});
