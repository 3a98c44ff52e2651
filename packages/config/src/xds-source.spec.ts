import { silentLogger, systemClock, systemRandom } from '@xebec/core';
import { SourceStates, XdsSource, xdsSourceService } from '@xebec/mcp';
import { describe, expect, it, onTestFinished } from 'vitest';
import { describeConfigSource, until } from './config-source.contract.ts';
import { publication, serve, VIRTUAL_SERVICES } from './testing-publication.ts';
import { createXdsSource } from './xds-source.ts';

const SIDECARS = 'istio/networking/v1alpha3/sidecars';

async function openServer() {
  const states = new SourceStates([VIRTUAL_SERVICES, SIDECARS]);
  const xds = new XdsSource(states);
  const origin = publication((content, version) => {
    states.publish(content, version);
    xds.update();
  });
  const server = await serve(xdsSourceService, xds.implementation());
  const source = (collections: readonly string[] = [VIRTUAL_SERVICES]) =>
    createXdsSource({
      address: `127.0.0.1:${server.port}`,
      nodeId: 'test',
      collections,
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
    });
  return { ...origin, states, xds, source, close: server.close };
}

describe('xDS source', () => {
  describeConfigSource(async () => {
    const server = await openServer();
    server.publish();
    const source = server.source();
    return {
      source,
      write: server.write,
      remove: server.remove,
      close: async () => {
        await source.close();
        server.close();
      },
    };
  });

  it('is not synced before every kind has come, and never for a kind that the server does not know', async () => {
    const server = await openServer();
    onTestFinished(server.close);
    const both = server.source([VIRTUAL_SERVICES, SIDECARS]);
    const foreign = server.source(['istio/security/v1beta1/authorizationpolicies']);
    onTestFinished(() => both.close());
    onTestFinished(() => foreign.close());
    await Promise.all([both.start(), foreign.start()]);
    await server.write('a', 'a.example');
    await until(() => both.list().length === 1, 'the first kind');
    expect(both.synced).toBe(false);
    server.states.publish(new Map([[SIDECARS, new Map()]]), '9');
    server.xds.update();
    await until(() => both.synced, 'both kinds');
    expect(foreign.synced).toBe(false);
  });
});
