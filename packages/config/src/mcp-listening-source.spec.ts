import { silentLogger, systemClock, systemRandom } from '@xebec/core';
import { connectMcpSource, mcpSinkService, SourceStates } from '@xebec/mcp';
import { describe, expect, it, onTestFinished } from 'vitest';
import { describeConfigSource, until } from './config-source.contract.ts';
import { createMcpListeningSource } from './mcp-source.ts';
import { publication, serve, VIRTUAL_SERVICES } from './testing-publication.ts';

async function openPair() {
  const { source, server } = createMcpListeningSource({
    name: 'MCP from a source',
    id: 'test',
    collections: [VIRTUAL_SERVICES],
    logger: silentLogger,
  });
  const listener = await serve(mcpSinkService, server.implementation());
  const states = new SourceStates([VIRTUAL_SERVICES]);
  const call = () =>
    connectMcpSource({ address: `127.0.0.1:${listener.port}`, states, clock: systemClock, random: systemRandom, logger: silentLogger });
  let client = call();
  const origin = publication((content, version) => {
    states.publish(content, version);
    client.update();
  });
  return {
    ...origin,
    source,
    server,
    call,
    client: () => client,
    reconnect: () => {
      client.close();
      client = call();
    },
    close: async () => {
      client.close();
      await source.close();
      listener.close();
    },
  };
}

describe('MCP source that calls its sink', () => {
  describeConfigSource(async () => {
    const pair = await openPair();
    pair.publish();
    return pair;
  });

  it('resumes with what differs, and is alone', async () => {
    const pair = await openPair();
    onTestFinished(pair.close);
    await pair.write('a', 'a.example');
    await pair.write('b', 'b.example');
    await until(() => pair.source.list().length === 2, 'both');
    const second = pair.call();
    await until(() => pair.client().status() !== undefined, 'the first source');
    await new Promise<void>((resolve) => setImmediate(resolve));
    expect(second.status()).toBeUndefined();
    second.close();
    pair.reconnect();
    await pair.write('b', 'c.example');
    await until(() => JSON.stringify(pair.source.list()).includes('c.example'), 'the change');
    expect(pair.client().status()?.sent).toMatchObject({ resources: 1 });
  });
});
