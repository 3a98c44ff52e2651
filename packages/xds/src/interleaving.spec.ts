import { create, fromBinary } from '@bufbuild/protobuf';
import { seededRandom } from '@xebec/core';
import {
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
  DiscoveryRequestSchema,
  DiscoveryResponseSchema,
} from '@xebec/protos/envoy/service/discovery/v3/discovery';
import { expect, it } from 'vitest';
import { AdsStream, type ProxyView } from './ads-stream.ts';
import { type EncodedResource, ResourceCache } from './resource.ts';
import type { EncodedResponse } from './responses.ts';
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE } from './type-url.ts';

const cache = new ResourceCache();
const text = (resource: { value: Uint8Array }) => new TextDecoder().decode(resource.value);

/** `listener → route → clusters`; contents are the names a resource refers to, and a revision. */
interface World {
  readonly clusters: readonly string[];
  readonly revision: number;
}

function viewOf(world: World): ProxyView {
  const entry = (typeUrl: string, name: string, content: string): [string, EncodedResource] => [
    name,
    cache.intern(typeUrl, name, new TextEncoder().encode(`${name}=${content}`)),
  ];
  const maps = new Map<string, Map<string, EncodedResource>>([
    [CLUSTER_TYPE, new Map(world.clusters.map((name) => entry(CLUSTER_TYPE, name, String(world.revision % 3))))],
    [ENDPOINT_TYPE, new Map(world.clusters.map((name) => entry(ENDPOINT_TYPE, name, String(world.revision % 2))))],
    [LISTENER_TYPE, new Map([entry(LISTENER_TYPE, 'l', String(world.revision % 5 === 0))])],
    [ROUTE_TYPE, new Map([entry(ROUTE_TYPE, 'r', world.clusters.join(','))])],
  ]);
  return { version: String(world.revision), resources: (typeUrl) => maps.get(typeUrl) ?? new Map<string, EncodedResource>() };
}

/** A proxy in Envoy's manner: clusters warm until their endpoints come, and a route that names no active cluster is a failure. */
class Client {
  readonly clusters = new Map<string, string>();
  readonly active = new Set<string>();
  readonly endpoints = new Map<string, string>();
  route = '';
  readonly failures: string[] = [];

  cluster(name: string, content: string): void {
    this.clusters.set(name, content);
  }
  removeCluster(name: string): void {
    this.clusters.delete(name);
    this.active.delete(name);
    this.endpoints.delete(name);
    this.check(`cluster ${name} left`);
  }
  endpoint(name: string, content: string): void {
    // Nobody watches the endpoints of a cluster that left.
    if (!this.clusters.has(name)) return;
    this.endpoints.set(name, content);
    this.active.add(name);
  }
  setRoute(content: string): void {
    this.route = content;
    this.check('route came');
  }
  check(what: string): void {
    const named = this.route
      .slice(2)
      .split(',')
      .filter((name) => name !== '');
    const missing = named.filter((name) => !this.active.has(name));
    if (missing.length > 0) this.failures.push(`${what}: ${missing.join()} not active`);
  }
}

/** One run: views change and messages travel in random order, each direction in sequence. */
function run(variant: 'sotw' | 'delta', seed: number): void {
  const random = seededRandom(seed);
  const pick = (limit: number) => Math.floor(random.next() * limit);
  const client = new Client();
  let world: World = { clusters: ['a'], revision: 0 };
  const stream = new AdsStream({ variant, noncePrefix: '' }, viewOf(world));
  const toClient: EncodedResponse[] = [];
  const toServer: (() => void)[] = [];
  const endpointNames = new Set<string>();

  const request = (
    typeUrl: string,
    names: readonly string[],
    nonce: string,
    change: { subscribe?: string[]; unsubscribe?: string[] } = {},
  ) => {
    const { subscribe = [], unsubscribe = [] } = change;
    const sent = [...names];
    toServer.push(() => {
      const result =
        variant === 'sotw'
          ? stream.onSotwRequest(create(DiscoveryRequestSchema, { typeUrl, resourceNames: sent, responseNonce: nonce }))
          : stream.onDeltaRequest(
              create(DeltaDiscoveryRequestSchema, {
                typeUrl,
                responseNonce: nonce,
                resourceNamesSubscribe: subscribe,
                resourceNamesUnsubscribe: unsubscribe,
              }),
            );
      toClient.push(...result.responses);
    });
  };
  let endpointNonce = '';
  /** After a change of its clusters the proxy says whose endpoints it wants now. */
  const followClusters = () => {
    const subscribe = [...client.clusters.keys()].filter((name) => !endpointNames.has(name));
    const unsubscribe = [...endpointNames].filter((name) => !client.clusters.has(name));
    for (const name of subscribe) endpointNames.add(name);
    for (const name of unsubscribe) endpointNames.delete(name);
    if (subscribe.length + unsubscribe.length > 0)
      request(ENDPOINT_TYPE, [...endpointNames], variant === 'sotw' ? endpointNonce : '', { subscribe, unsubscribe });
  };
  const receive = (response: EncodedResponse) => {
    const { typeUrl, nonce } = response;
    const decoded =
      variant === 'sotw'
        ? { added: fromBinary(DiscoveryResponseSchema, response.bytes).resources.map(text), removed: undefined }
        : (() => {
            const message = fromBinary(DeltaDiscoveryResponseSchema, response.bytes);
            return {
              added: message.resources.map(({ resource }) => text(resource ?? { value: new Uint8Array() })),
              removed: message.removedResources,
            };
          })();
    const added = decoded.added.map((content): [string, string] => [content.slice(0, content.indexOf('=')), content]);
    if (typeUrl === CLUSTER_TYPE) {
      for (const [name, content] of added) client.cluster(name, content);
      const present = new Set(added.map(([name]) => name));
      for (const name of decoded.removed ?? [...client.clusters.keys()].filter((held) => !present.has(held))) client.removeCluster(name);
      request(CLUSTER_TYPE, [], nonce);
      followClusters();
      return;
    }
    if (typeUrl === ENDPOINT_TYPE) {
      endpointNonce = nonce;
      for (const [name, content] of added) client.endpoint(name, content);
    }
    if (typeUrl === ROUTE_TYPE) for (const [, content] of added) client.setRoute(content);
    request(typeUrl, typeUrl === ENDPOINT_TYPE ? [...endpointNames] : typeUrl === ROUTE_TYPE ? ['r'] : [], nonce);
  };
  const step = (): boolean => {
    const choices = [toClient.length > 0, toServer.length > 0];
    if (!choices.includes(true)) return false;
    const towardsClient = choices[0] === true && (choices[1] !== true || pick(2) === 0);
    if (towardsClient) {
      const response = toClient.shift();
      if (response !== undefined) receive(response);
    } else toServer.shift()?.();
    return true;
  };
  const settle = () => {
    let steps = 0;
    while (step()) if (++steps > 10_000) throw new Error('the two never come to rest');
  };

  request(CLUSTER_TYPE, [], '');
  settle();
  request(LISTENER_TYPE, [], '');
  request(ROUTE_TYPE, ['r'], '', { subscribe: ['r'] });
  settle();
  for (let change = 0; change < 30; change++) {
    const names = ['a', 'b', 'c', 'd'].filter(() => pick(2) === 0);
    world = { clusters: names.length === 0 ? ['a'] : names, revision: world.revision + 1 };
    toClient.push(...stream.update(viewOf(world)));
    for (let steps = pick(12); steps > 0; steps--) step();
  }
  settle();
  const view = viewOf(world);
  const expected = (typeUrl: string) => [...view.resources(typeUrl)].map(([, resource]) => text(resource)).sort();
  expect(client.failures, `seed ${seed}`).toEqual([]);
  expect([...client.clusters.values()].sort(), `clusters, seed ${seed}`).toEqual(expected(CLUSTER_TYPE));
  expect([...client.endpoints.values()].sort(), `endpoints, seed ${seed}`).toEqual(expected(ENDPOINT_TYPE));
  expect([client.route], `route, seed ${seed}`).toEqual(expected(ROUTE_TYPE));
  expect(stream.waiting, `seed ${seed}`).toBe(false);
  expect(
    stream.status().every(({ state }) => state === 'synced'),
    `seed ${seed}`,
  ).toBe(true);
}

it.each(['sotw', 'delta'] as const)(
  '%s: in any interleaving the proxy ends with the view, and never routes to a cluster it lacks',
  (variant) => {
    for (let seed = 1; seed <= 300; seed++) run(variant, seed);
  },
);
