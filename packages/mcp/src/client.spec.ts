import { create } from '@bufbuild/protobuf';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { type Logger, seededRandom, silentLogger, systemClock } from '@xebec/core';
import { ResourceSchema } from '@xebec/protos/istio/mcp/v1alpha1/mcp';
import { afterEach, expect, it, vi } from 'vitest';
import { connectMcpSink } from './client.ts';
import { McpServer, mcpSourceService } from './server.ts';
import { McpSink } from './sink.ts';

const [OLD, NEW] = ['istio/policy/v1beta1/rules', 'istio/policy/v1beta1/newer'];
const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

async function serve(known: readonly string[], port = 0) {
  const source = new McpServer(known, silentLogger);
  const content = new Map([['a/b', create(ResourceSchema, { metadata: { name: 'a/b', version: '1' } })]]);
  source.publish(new Map(known.map((collection) => [collection, content])), '1');
  const server = new Server();
  server.addService(mcpSourceService, source.implementation());
  const bound = await new Promise<number>((resolve, reject) =>
    server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, at) =>
      error === null ? resolve(at) : reject(error),
    ),
  );
  const stop = () => {
    source.close();
    server.forceShutdown();
  };
  cleanups.push(stop);
  return { port: bound, stop };
}

it('takes what an older source knows, and the rest from the newer one that follows it', async () => {
  const taken: string[] = [];
  const warned: string[] = [];
  const sink = new McpSink({
    id: 'mixer',
    collections: [OLD, NEW],
    apply: (changes) => {
      taken.push(...changes.map(({ collection }) => collection));
      return [];
    },
  });
  const older = await serve([OLD]);
  const logger: Logger = { ...silentLogger, warn: (_fields: unknown, message?: string) => void warned.push(message ?? '') };
  const client = connectMcpSink({ address: `127.0.0.1:${older.port}`, sink, clock: systemClock, random: seededRandom(1), logger });
  cleanups.push(() => client.close());
  await vi.waitUntil(() => sink.synced, { timeout: 10_000 });
  expect(new Set(taken)).toEqual(new Set([OLD]));
  expect(warned).toEqual([expect.stringContaining(`does not know ${NEW}`)]);
  older.stop();
  await serve([OLD, NEW], older.port);
  await vi.waitUntil(() => taken.includes(NEW), { timeout: 10_000 });
});
