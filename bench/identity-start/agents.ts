/**
 * A process with many agents, for the start benchmark: reads its order from standard input, says `ready`, waits for a line, starts them all
 * at once, and prints how long each waited for its first certificate and for the answer of its SDS socket, in milliseconds.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { create } from '@bufbuild/protobuf';
import { Client, credentials } from '@grpc/grpc-js';
import { type Agent, startAgent } from '@xebec/agent';
import { silentLogger } from '@xebec/core';
import { DiscoveryRequestSchema } from '@xebec/protos/envoy/service/discovery/v3/discovery';
import { SecretDiscoveryService } from '@xebec/protos/envoy/service/secret/v3/sds';
import { methodDefinition } from '@xebec/rpc';

export interface AgentsOrder {
  readonly folder: string;
  readonly first: number;
  readonly count: number;
  readonly caPort: number;
  readonly rootPem: string;
  readonly token: string;
}

export interface AgentsResult {
  readonly certificateMs: readonly number[];
  readonly servedMs: readonly number[];
  /** CPU of the process until all had theirs, every thread. */
  readonly cpuMs: number;
}

/** One agent in so many is asked over its socket: in a pod the data plane asks, from a process of its own. */
const PROBED = 10;

async function prepare(order: AgentsOrder): Promise<{ cwd: string; env: NodeJS.ProcessEnv }[]> {
  return Array.from({ length: order.count }, (_, index) => {
    const name = `w${order.first + index}`;
    const cwd = join(order.folder, name);
    mkdirSync(join(cwd, 'var/run/secrets/tokens'), { recursive: true });
    writeFileSync(join(cwd, 'var/run/secrets/tokens/istio-token'), order.token);
    const rootFile = join(cwd, 'root.pem');
    writeFileSync(rootFile, order.rootPem);
    const env = {
      CA_ADDR: `127.0.0.1:${order.caPort}`,
      CA_ROOT_CA: rootFile,
      XEBEC_STATUS_PORT: '0',
      XEBEC_PILOT_ADDR: '127.0.0.1:1',
      POD_NAME: name,
      INSTANCE_IP: '10.0.0.1',
    };
    return { cwd, env };
  });
}

/** Resolves when the agent's socket has answered with the certificate and the roots, as a data plane asks. */
function served(cwd: string): Promise<void> {
  const client = new Client(`unix:${join(cwd, 'var/run/secrets/workload-spiffe-uds/socket')}`, credentials.createInsecure());
  const method = methodDefinition(SecretDiscoveryService.method.streamSecrets);
  return new Promise((resolve, reject) => {
    const stream = client.makeBidiStreamRequest(method.path, method.requestSerialize, method.responseDeserialize);
    stream.once('data', () => {
      resolve();
      stream.cancel();
      client.close();
    });
    stream.on('error', reject);
    stream.write(create(DiscoveryRequestSchema, { resourceNames: ['default'] }));
  });
}

async function main(): Promise<void> {
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  // Written by identity-start.ts.
  const order = JSON.parse((await lines.next()).value ?? '') as AgentsOrder;
  const sites = await prepare(order);
  process.stdout.write('ready\n');
  await lines.next();
  const agents: Agent[] = [];
  const cpu = process.cpuUsage();
  const start = async ({ cwd, env }: { cwd: string; env: NodeJS.ProcessEnv }, index: number) => {
    const began = performance.now();
    const agent = await startAgent({ env, cwd, role: 'sidecar', version: '1.32.0', logger: silentLogger });
    agents.push(agent);
    const socket = index % PROBED === 0 ? served(cwd).then(() => performance.now() - began) : undefined;
    await agent.certificates.ready();
    return { certificateMs: performance.now() - began, servedMs: await socket };
  };
  const times = await Promise.all(sites.map(start));
  const { user, system } = process.cpuUsage(cpu);
  const result: AgentsResult = {
    certificateMs: times.map((time) => time.certificateMs),
    servedMs: times.flatMap((time) => time.servedMs ?? []),
    cpuMs: (user + system) / 1000,
  };
  process.stdout.write(`${JSON.stringify(result)}\n`);
  await lines.next();
  await Promise.all(agents.map((agent) => agent.close()));
  process.exit(0);
}

await main();
