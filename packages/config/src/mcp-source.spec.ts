import { Server, ServerCredentials } from '@grpc/grpc-js';
import { silentLogger, systemClock, systemRandom } from '@xebec/core';
import { McpServer, mcpSourceService, toResource } from '@xebec/mcp';
import type { Resource } from '@xebec/protos/istio/mcp/v1alpha1/mcp';
import { describe, expect, it, onTestFinished } from 'vitest';
import { describeConfigSource, until } from './config-source.contract.ts';
import { createMcpSource } from './mcp-source.ts';

const VS = 'istio/networking/v1alpha3/virtualservices';

/** A galley in small: one collection that tests write to. */
function collection() {
  const resources = new Map<string, Resource>();
  let version = 0;
  let servers: McpServer[] = [];
  const publish = () => {
    for (const server of servers) server.publish(new Map([[VS, new Map(resources)]]), String(version));
  };
  return {
    write(name: string, host: string) {
      const metadata = {
        name,
        namespace: 'default',
        labels: {},
        annotations: {},
        creationTimestamp: '',
        resourceVersion: String(++version),
        uid: '',
        generation: 0,
      };
      const spec = { hosts: [host], http: [{ route: [{ destination: { host } }] }] };
      resources.set(`default/${name}`, toResource({ apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata, spec }));
      publish();
    },
    remove(name: string) {
      resources.delete(`default/${name}`);
      version++;
      publish();
    },
    async serve(port: number, synced = true) {
      const mcp = new McpServer([VS], silentLogger);
      const server = new Server();
      server.addService(mcpSourceService, mcp.implementation());
      const bound = await new Promise<number>((resolve, reject) =>
        server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, at) => (error ? reject(error) : resolve(at))),
      );
      if (synced) servers.push(mcp);
      publish();
      return {
        port: bound,
        clients: () => mcp.clients(),
        kill: () => {
          servers = servers.filter((other) => other !== mcp);
          server.forceShutdown();
        },
        sync: () => {
          servers.push(mcp);
          publish();
        },
      };
    },
  };
}

function openSource(port: number) {
  return createMcpSource({
    address: `127.0.0.1:${port}`,
    id: 'test',
    collections: [VS],
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
  });
}

describe('MCP source', () => {
  describeConfigSource(async () => {
    const origin = collection();
    const server = await origin.serve(0);
    const source = openSource(server.port);
    return {
      source,
      write: async (name, host) => origin.write(name, host),
      remove: async (name) => origin.remove(name),
      close: async () => {
        await source.close();
        server.kill();
      },
    };
  });

  it('keeps what it has while the server is away or not ready, and then sees the difference', async () => {
    const origin = collection();
    origin.write('a', 'a');
    origin.write('b', 'b');
    const first = await origin.serve(0);
    const source = openSource(first.port);
    onTestFinished(() => source.close());
    await source.start();
    await until(() => source.synced, 'synced');
    first.kill();
    origin.remove('a');
    origin.write('c', 'c');
    const second = await origin.serve(first.port, false);
    onTestFinished(() => second.kill());
    await until(() => second.clients().length === 1, 'a new stream');
    expect(source.list()).toHaveLength(2);
    second.sync();
    await until(
      () =>
        source
          .list()
          .map(({ metadata }) => metadata.name)
          .join() === 'b,c',
      'the new state',
    );
  });
});
