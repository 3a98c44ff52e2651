import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { KubeConfig } from '@kubernetes/client-node';
import { silentLogger, systemClock, systemRandom } from '@xebec/core';
import { describe, expect, it, onTestFinished } from 'vitest';
import { describeConfigSource, until } from './config-source.contract.ts';
import { createKubernetesApi } from './kubernetes-api.ts';
import { createKubernetesSource, meshKinds } from './kubernetes-source.ts';

interface Stored {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace: string; readonly resourceVersion: string };
  readonly spec: unknown;
}

/** An API server with one kind: lists, watches from a version, forgets history on demand, and can drop its watchers. */
async function startApiServer() {
  const objects = new Map<string, Stored>();
  let history: { readonly version: number; readonly type: string; readonly object: Stored }[] = [];
  let version = 1;
  let forgottenUpTo = 0;
  const watchers = new Set<ServerResponse>();
  const requests: string[] = [];
  /** Ends of paths that nobody may read. */
  const forbidden = new Set<string>();
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '', 'http://server');
    requests.push(`${url.pathname}${url.searchParams.has('watch') ? ` from ${url.searchParams.get('resourceVersion')}` : ''}`);
    if (forbidden.has(url.pathname.split('/').at(-1) ?? '')) {
      response.writeHead(403, { 'content-type': 'application/json' }).end(JSON.stringify({ kind: 'Status', message: 'forbidden' }));
    } else if (!url.pathname.endsWith('/virtualservices')) {
      response.writeHead(404, { 'content-type': 'application/json' }).end(JSON.stringify({ kind: 'Status', message: 'no such resource' }));
    } else if (!url.searchParams.has('watch')) {
      response.end(JSON.stringify({ metadata: { resourceVersion: String(version) }, items: [...objects.values()] }));
    } else {
      const from = Number(url.searchParams.get('resourceVersion'));
      if (from < forgottenUpTo) {
        response.end(`${JSON.stringify({ type: 'ERROR', object: { kind: 'Status', code: 410, message: 'too old' } })}\n`);
        return;
      }
      response.flushHeaders();
      for (const event of history) if (event.version > from) response.write(`${JSON.stringify(event)}\n`);
      watchers.add(response);
      response.on('close', () => watchers.delete(response));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const record = (type: string, object: Stored) => {
    const event = { version, type, object };
    history.push(event);
    for (const watcher of watchers) watcher.write(`${JSON.stringify(event)}\n`);
  };
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    forbidden,
    bookmark() {
      version++;
      record('BOOKMARK', {
        apiVersion: 'v1',
        kind: 'VirtualService',
        metadata: { name: '', namespace: '', resourceVersion: String(version) },
        spec: {},
      });
    },
    put(name: string, spec: unknown) {
      const metadata = { name, namespace: 'default', resourceVersion: String(++version) };
      const object = { apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata, spec };
      const type = objects.has(name) ? 'MODIFIED' : 'ADDED';
      objects.set(name, object);
      record(type, object);
    },
    remove(name: string) {
      const object = objects.get(name);
      objects.delete(name);
      version++;
      if (object !== undefined) record('DELETED', { ...object, metadata: { ...object.metadata, resourceVersion: String(version) } });
    },
    /** Loses all watchers, and for a while everything that happens. */
    dropWatchers() {
      for (const watcher of watchers) watcher.destroy();
      watchers.clear();
    },
    forgetHistory() {
      history = [];
      forgottenUpTo = version;
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function openSource(url: string, optionalGateways = false) {
  const config = new KubeConfig();
  config.loadFromClusterAndUser({ name: 'test', server: url, skipTLSVerify: true }, { name: 'user' });
  return createKubernetesSource({
    api: createKubernetesApi(config),
    watched: meshKinds(new Set(['networking.istio.io']))
      .filter(({ kind }) => kind === 'VirtualService' || kind === 'Gateway')
      .map((watched) => ({ ...watched, optional: optionalGateways && watched.kind === 'Gateway' })),
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
  });
}

const specFor = (host: string) => ({ hosts: [host], http: [{ route: [{ destination: { host } }] }] });

describe('Kubernetes source', () => {
  describeConfigSource(async () => {
    const server = await startApiServer();
    const source = openSource(server.url);
    return {
      source,
      write: async (name, host) => server.put(name, specFor(host)),
      remove: async (name) => server.remove(name),
      writeWrong: async (name) => server.put(name, { hots: ['x'] }),
      close: async () => {
        await source.close();
        await server.close();
      },
    };
  });

  const open = async () => {
    const server = await startApiServer();
    const source = openSource(server.url);
    onTestFinished(async () => {
      await source.close();
      await server.close();
    });
    server.put('a', specFor('a'));
    await source.start();
    await until(() => source.synced, 'synced');
    await until(() => server.requests.some((line) => line.includes('from')), 'a watch');
    return { server, source };
  };

  it('resumes a lost watch where it was, without listing again', async () => {
    const { server, source } = await open();
    const lists = () => server.requests.filter((line) => line === '/apis/networking.istio.io/v1/virtualservices').length;
    const before = lists();
    server.dropWatchers();
    server.put('b', specFor('b'));
    await until(() => source.list().length === 2, 'b');
    expect(lists()).toBe(before);
  });

  it('lists again after 410 Gone and tells of what was removed meanwhile', async () => {
    const { server, source } = await open();
    server.put('b', specFor('b'));
    await until(() => source.list().length === 2, 'b');
    const removed: string[] = [];
    source.subscribe((changes) => removed.push(...changes.filter(({ type }) => type === 'delete').map(({ key }) => key)));
    server.remove('a');
    server.put('c', specFor('c'));
    server.forgetHistory();
    server.dropWatchers();
    await until(
      () =>
        source
          .list()
          .map(({ metadata }) => metadata.name)
          .join() === 'b,c',
      'the state after the gap',
    );
    expect(removed).toEqual(['networking.istio.io/VirtualService/default/a']);
  });

  it('resumes from a bookmark after history before it is forgotten', async () => {
    const { server, source } = await open();
    const watches = () => server.requests.filter((line) => line.includes(' from '));
    server.bookmark();
    server.put('b', specFor('b'));
    await until(() => source.list().length === 2, 'b');
    server.bookmark();
    server.forgetHistory();
    server.put('c', specFor('c'));
    await until(() => source.list().length === 3, 'c');
    const seen = watches().length;
    server.dropWatchers();
    server.put('d', specFor('d'));
    await until(() => source.list().length === 4, 'd');
    expect(watches().length).toBeGreaterThan(seen);
    expect(source.list().map(({ metadata }) => metadata.name)).toEqual(['a', 'b', 'c', 'd']);
  });

  it('keeps what it has while it may not read, and goes on once it may', async () => {
    const { server, source } = await open();
    const removed: string[] = [];
    source.subscribe((changes) => removed.push(...changes.filter(({ type }) => type === 'delete').map(({ key }) => key)));
    server.forbidden.add('virtualservices');
    const before = server.requests.length;
    server.dropWatchers();
    server.put('b', specFor('b'));
    await until(() => server.requests.length > before + 2, 'denials');
    expect(source.list().map(({ metadata }) => metadata.name)).toEqual(['a']);
    server.forbidden.clear();
    await until(() => source.list().length === 2, 'b');
    expect(removed).toEqual([]);
  });

  it('waits for kinds it may not read, but not for optional ones', async () => {
    const server = await startApiServer();
    server.forbidden.add('gateways');
    const opened = [false, true].map((optional) => openSource(server.url, optional));
    onTestFinished(async () => {
      for (const source of opened) await source.close();
      await server.close();
    });
    server.put('a', specFor('a'));
    for (const source of opened) await source.start();
    await until(() => opened[1]?.synced === true && opened[0]?.list().length === 1, 'the optional one');
    expect(opened[0]?.synced).toBe(false);
    server.forbidden.clear();
    await until(() => opened[0]?.synced === true, 'the other');
  });

  it('keeps what it has while the server is away', async () => {
    const { server, source } = await open();
    await server.close();
    expect(source.list()).toHaveLength(1);
    expect(source.synced).toBe(true);
  });
});
