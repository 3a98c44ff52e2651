import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js';
import { afterEach, expect, it } from 'vitest';
import { eventually, freePort, startDaemon, startProcess } from '../src/daemon-process.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function startBackend(name: string): Promise<number> {
  const server = new Server();
  server.addService(
    {
      Who: {
        path: '/echo.Echo/Who',
        requestStream: false,
        responseStream: false,
        requestSerialize: (text: string) => Buffer.from(text),
        requestDeserialize: (bytes: Buffer) => bytes.toString('utf8'),
        responseSerialize: (text: string) => Buffer.from(text),
        responseDeserialize: (bytes: Buffer) => bytes.toString('utf8'),
      },
    },
    { Who: (_call: ServerUnaryCall<string, string>, reply: sendUnaryData<string>) => reply(null, name) },
  );
  cleanups.push(async () => server.forceShutdown());
  return await new Promise((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => (error ? reject(error) : resolve(port))),
  );
}

function mesh(v1: number, v2: number, subset: string): string {
  return `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: reviews, namespace: default}
spec:
  hosts: [reviews.default.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports:
  - {number: 9080, name: grpc, protocol: GRPC}
  endpoints:
  - {address: 127.0.0.1, ports: {grpc: ${v1}}, labels: {version: v1}}
  - {address: 127.0.0.1, ports: {grpc: ${v2}}, labels: {version: v2}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews, namespace: default}
spec:
  host: reviews.default.svc.cluster.local
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: default}
spec:
  hosts: [reviews.default.svc.cluster.local]
  http:
  - route:
    - destination: {host: reviews.default.svc.cluster.local, subset: ${subset}}
`;
}

it('a proxyless gRPC client resolves xds:///host:port and follows a live edit', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'xebec-e2e-'));
  cleanups.push(() => rm(directory, { recursive: true, force: true }));
  const [v1, v2] = [await startBackend('v1'), await startBackend('v2')];
  const [grpcPort, httpPort] = [await freePort(), await freePort()];
  await writeFile(join(directory, 'mesh.yaml'), mesh(v1, v2, 'v1'));
  const addresses = ['--grpc-addr', `127.0.0.1:${grpcPort}`, '--http-addr', `127.0.0.1:${httpPort}`];
  const pilot = startDaemon('pilot', ['--config-dir', directory, '--registries=', ...addresses]);
  cleanups.push(() => pilot.stop());
  await eventually('pilot', async () => ((await fetch(`http://127.0.0.1:${httpPort}/readyz`)).ok ? true : undefined));
  const bootstrap = {
    xds_servers: [{ server_uri: `127.0.0.1:${grpcPort}`, channel_creds: [{ type: 'insecure' }], server_features: ['xds_v3'] }],
    node: {
      id: 'sidecar~127.0.0.1~client.default~default.svc.cluster.local',
      metadata: { GENERATOR: 'grpc', NAMESPACE: 'default' },
      locality: {},
    },
  };
  const client = startProcess(process.execPath, [join(import.meta.dirname, 'client.ts'), 'xds:///reviews.default.svc.cluster.local:9080'], {
    env: { GRPC_XDS_BOOTSTRAP_CONFIG: JSON.stringify(bootstrap) },
  });
  cleanups.push(() => client.stop());
  const answers = () => client.output().trim().split('\n');
  const syncz = async () => JSON.stringify(await (await fetch(`http://127.0.0.1:${httpPort}/debug/syncz`)).json());
  await eventually('an answer of v1', () => (answers().at(-1) === 'v1' ? true : undefined)).catch(async (cause) => {
    throw new Error(`${client.output().slice(-2000)}\n${await syncz()}\n${pilot.output()}`, { cause });
  });
  await writeFile(join(directory, '.next'), mesh(v1, v2, 'v2'));
  await rename(join(directory, '.next'), join(directory, 'mesh.yaml'));
  await eventually('an answer of v2', () => (answers().at(-1) === 'v2' ? true : undefined));
  expect([...new Set(answers())]).toEqual(['v1', 'v2']);
  expect(await syncz()).not.toContain('lastError');
});
