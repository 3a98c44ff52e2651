import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually, freePort, requiredPeer, startDaemon, startProcess } from '../src/daemon-process.ts';
import { serveWorkloadSecrets } from '../src/workload-secrets.ts';
import { grpcAuthorizer, httpAuthorizer } from './authorizers.ts';
import { type Issuer, startIssuer } from './issuer.ts';
import { manifests, meshConfig } from './policies.ts';

export interface LogLine {
  readonly path: string;
  readonly code: number;
  readonly details: string;
  readonly flags: string;
  readonly trial: string | null;
  readonly audit: boolean | string | null;
}

export interface GuardedGateway {
  readonly issuer: Issuer;
  /** Asks the gateway; what reached the backend stands in `seen`. */
  ask(
    path: string,
    init?: RequestInit,
  ): Promise<{ status: number; text: string; headers: Headers; seen: Record<string, string> | undefined }>;
  /** The line of the access log about a path, the latest one. */
  logged(path: string): Promise<LogLine>;
  /** What `xebec authz` says; `DUMP` and `LOG` in its arguments stand for the gateway's config dump and access log. */
  authz(args: readonly string[]): Promise<string>;
  close(): Promise<void>;
}

const HTTP2 = {
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
    '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
    explicit_http_config: { http2_protocol_options: {} },
  },
};

function bootstrap(grpcPort: number, adminPort: number, secrets: string): string {
  const source = { ads: {}, resource_api_version: 'V3' };
  const pilot = { endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: grpcPort } } } };
  return JSON.stringify({
    node: {
      id: 'router~127.0.0.1~gateway-1.default~default.svc.cluster.local',
      cluster: 'istio-ingressgateway',
      metadata: { NAMESPACE: 'default', LABELS: { istio: 'ingressgateway' } },
    },
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: adminPort } } },
    dynamic_resources: {
      ads_config: { api_type: 'GRPC', transport_api_version: 'V3', grpc_services: [{ envoy_grpc: { cluster_name: 'xds-grpc' } }] },
      cds_config: source,
      lds_config: source,
    },
    static_resources: {
      clusters: [
        {
          name: 'xds-grpc',
          type: 'STATIC',
          typed_extension_protocol_options: HTTP2,
          load_assignment: { cluster_name: 'xds-grpc', endpoints: [{ lb_endpoints: [pilot] }] },
        },
        {
          name: 'sds-grpc',
          type: 'STATIC',
          typed_extension_protocol_options: HTTP2,
          load_assignment: {
            cluster_name: 'sds-grpc',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: { pipe: { path: secrets } } } }] }],
          },
        },
      ],
    },
  });
}

/** Pilot, a gateway of its (ours or stock Envoy), two versions of a backend, an issuer of tokens and an external authorizer. */
export async function startGuardedGateway(proxy: 'xebec' | 'envoy', kind: 'http' | 'grpc', failOpen: boolean): Promise<GuardedGateway> {
  const cleanups: (() => unknown)[] = [];
  const close = async (): Promise<void> => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  };
  try {
    const directory = await mkdtemp(join(tmpdir(), 'xebec-request-policy-'));
    cleanups.push(() => rm(directory, { recursive: true, force: true }));
    const backend = async (name: string): Promise<number> => {
      const server = createServer((request, response) => response.end(JSON.stringify({ ...request.headers, backend: name })));
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      cleanups.push(() => {
        server.closeAllConnections();
        server.close();
      });
      return (server.address() as AddressInfo).port; // a TCP server that listens has an address
    };
    const issuer = await startIssuer();
    cleanups.push(() => issuer.close());
    const [http, grpc] = [await httpAuthorizer.start(), await grpcAuthorizer.start()];
    cleanups.push(
      () => http.close(),
      () => grpc.close(),
    );
    const [gatewayPort, grpcPort, pilotPort, adminPort] = [await freePort(), await freePort(), await freePort(), await freePort()];
    const parts = { gatewayPort, v1: await backend('v1'), v2: await backend('v2'), httpAuthorizer: http.port, grpcAuthorizer: grpc.port };
    const logFile = join(directory, 'access.log');
    await writeFile(join(directory, 'mesh.json'), meshConfig(kind, failOpen, logFile));
    const config = await mkdtemp(join(directory, 'config-'));
    await writeFile(join(config, 'mesh.yaml'), manifests({ ...parts, issuer: issuer.url }));
    const args = ['--registries=', '--grpc-addr', `127.0.0.1:${grpcPort}`, '--http-addr', `127.0.0.1:${pilotPort}`];
    const pilot = startDaemon('pilot', ['--config-dir', config, '--mesh-config', join(directory, 'mesh.json'), ...args]);
    cleanups.push(() => pilot.stop());
    const socket = join(directory, 'sds');
    const secrets = await serveWorkloadSecrets(socket, 'spiffe://cluster.local/ns/default/sa/default');
    cleanups.push(() => secrets.close());
    const text = bootstrap(grpcPort, adminPort, socket);
    const gateway =
      proxy === 'envoy'
        ? startProcess(requiredPeer('ENVOY'), [
            '--config-yaml',
            text,
            '--use-dynamic-base-id',
            '-l',
            'warning',
            '--file-flush-interval-msec',
            '20',
          ])
        : startDaemon('proxy', ['--config-yaml', text, '--file-flush-interval-msec', '20']);
    cleanups.push(() => gateway.stop());
    const url = `http://127.0.0.1:${gatewayPort}`;
    const ask = async (path: string, init: RequestInit = {}) => {
      const response = await fetch(`${url}${path}`, init);
      const body = await response.text();
      return {
        status: response.status,
        text: body,
        headers: response.headers,
        seen: response.status === 200 ? JSON.parse(body) : undefined,
      };
    };
    // Until pilot has the issuer's keys, every token is refused.
    await eventually('the gateway and the keys', async () => {
      const { status } = await ask('/private/ready', { headers: { authorization: `Bearer ${issuer.token()}` } });
      return status === 200 ? true : undefined;
    }).catch((cause) => {
      throw new Error(`pilot:\n${pilot.output()}\ngateway:\n${gateway.output()}`, { cause });
    });
    return {
      issuer,
      ask,
      logged: (path) =>
        eventually(`a line about ${path}`, async () => {
          const lines = (await readFile(logFile, 'utf8'))
            .trim()
            .split('\n')
            .map((line): LogLine => JSON.parse(line));
          return lines.findLast((line) => line.path === path);
        }),
      authz: async (args) => {
        const dump = join(directory, 'dump.json');
        await writeFile(dump, await (await fetch(`http://127.0.0.1:${adminPort}/config_dump`)).text());
        const cli = join(import.meta.dirname, '../../apps/cli/bin/xebec.ts');
        const named = args.map((arg) => (arg === 'DUMP' ? dump : arg === 'LOG' ? logFile : arg));
        const command = startProcess(process.execPath, [cli, 'authz', ...named]);
        await new Promise((resolve) => command.child.once('close', resolve));
        return command.output();
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
