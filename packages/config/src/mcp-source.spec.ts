import { Server, ServerCredentials } from '@grpc/grpc-js';
import { silentLogger, systemClock, systemRandom } from '@xebec/core';
import { inMessageForm, McpServer, mcpSourceService, toResource } from '@xebec/mcp';
import type { Resource } from '@xebec/protos/istio/mcp/v1alpha1/mcp';
import { describe, expect, it, onTestFinished } from 'vitest';
import { describeConfigSource, until } from './config-source.contract.ts';
import { createMcpSource } from './mcp-source.ts';
import { virtualServiceObject } from './testing-publication.ts';

const VS = 'istio/networking/v1alpha3/virtualservices';

const DR = 'istio/networking/v1alpha3/destinationrules';

function rule(name: string, version: string): Resource {
  return toResource(virtualServiceObject(name, `v${version}.example`, version));
}

function subsets(version: string): Resource {
  const { metadata } = virtualServiceObject('d', 'd', version);
  return toResource({
    apiVersion: 'networking.istio.io/v1',
    kind: 'DestinationRule',
    metadata,
    spec: { host: 'd', exportTo: [`n${version}`] },
  });
}

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
  it('leaves out what is wrong at a source of release 1.4, says so, and keeps what was right before', async () => {
    const mcp = new McpServer([VS], silentLogger);
    const server = new Server();
    server.addService(mcpSourceService, mcp.implementation());
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, at) => (error ? reject(error) : resolve(at))),
    );
    onTestFinished(() => server.forceShutdown());
    const good = (name: string, version: string) => inMessageForm(VS, rule(name, version));
    const wrong = (name: string, version: string): Resource => {
      const body = {
        $typeName: 'google.protobuf.Any' as const,
        typeUrl: good(name, version).body?.typeUrl ?? '',
        value: new Uint8Array([7]),
      };
      return { ...good(name, version), body };
    };
    const publish = (version: string, ...resources: Resource[]) =>
      mcp.publish(new Map([[VS, new Map(resources.map((resource) => [resource.metadata?.name ?? '', resource]))]]), version);
    const source = openSource(port);
    onTestFinished(() => source.close());
    await source.start();
    const versions = () => source.list().map(({ metadata }) => `${metadata.name}@${metadata.resourceVersion}`);
    publish('1', good('a', '1'), wrong('b', '1'));
    await until(() => source.synced, 'synced');
    expect(versions()).toEqual(['a@1']);
    expect(source.problems()).toMatchObject([{ message: expect.stringContaining('default/b: body does not decode') }]);
    publish('2', wrong('a', '2'), good('b', '2'));
    await until(() => versions().includes('b@2'), 'the second change');
    expect(versions()).toContain('a@1');
    expect(source.problems()).toMatchObject([{ message: expect.stringContaining('default/a') }]);
    publish('3', good('b', '2'));
    await until(() => versions().length === 1, 'the third change');
    expect(source.problems()).toEqual([]);
  });

  it('tells a change over several collections with one callback, and after a reconnect only what differs', async () => {
    const known = [VS, DR];
    const open = async (port: number) => {
      const mcp = new McpServer(known, silentLogger);
      const server = new Server();
      server.addService(mcpSourceService, mcp.implementation());
      const bound = await new Promise<number>((resolve, reject) =>
        server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, at) => (error ? reject(error) : resolve(at))),
      );
      return { mcp, port: bound, stop: () => server.forceShutdown() };
    };
    const content = (count: number, version: string): ReadonlyMap<string, ReadonlyMap<string, Resource>> =>
      new Map([
        [VS, new Map(Array.from({ length: count }, (_, i) => [`default/r${i}`, rule(`r${i}`, i === 0 ? version : '1')]))],
        [DR, new Map([['default/d', subsets(version)]])],
      ]);
    const first = await open(0);
    const source = createMcpSource({
      address: `127.0.0.1:${first.port}`,
      id: 'test',
      collections: known,
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
    });
    onTestFinished(() => source.close());
    const heard: number[] = [];
    source.subscribe((changes) => heard.push(changes.length));
    await source.start();
    first.mcp.publish(content(500, '1'), '1');
    await until(() => source.synced, 'synced');
    first.mcp.publish(content(500, '2'), '2');
    await until(() => heard.length === 2, 'the second change');
    expect(heard).toEqual([501, 2]);
    first.stop();
    const second = await open(first.port);
    onTestFinished(() => second.stop());
    second.mcp.publish(content(500, '3'), '3');
    await until(() => heard.length === 3, 'the third change');
    expect(heard).toEqual([501, 2, 2]);
    const [client] = second.mcp.clients();
    expect(client).toMatchObject({ id: 'test', transactions: true, sent: { responses: 2, resources: 2 } });
    expect(client?.sent.bytes).toBeLessThan(1_000);
  });

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
