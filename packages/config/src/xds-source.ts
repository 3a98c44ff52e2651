import { create, fromBinary } from '@bufbuild/protobuf';
import { type ChannelCredentials, Client, credentials as grpcCredentials } from '@grpc/grpc-js';
import { Backoff, type Clock, errorText, type Logger, type Random } from '@xebec/core';
import { CONFIG_MAPS, collections, fromResource, RESOURCE_TYPE_URL, xdsTypeOf } from '@xebec/mcp';
import { AggregatedDiscoveryService } from '@xebec/protos/envoy/service/discovery/v3/ads';
import { DiscoveryRequestSchema, type DiscoveryResponse } from '@xebec/protos/envoy/service/discovery/v3/discovery';
import { ResourceSchema } from '@xebec/protos/istio/mcp/v1alpha1/mcp';
import { methodDefinition } from '@xebec/rpc';
import type { ConfigObject } from '@xebec/schemas';
import { ObjectStore } from './object-store.ts';
import { type ConfigProblem, type ConfigSource, objectKey } from './source.ts';

export interface XdsSourceOptions {
  /** `host:port` of an xDS server that knows `GENERATOR=api`: pilot, istiod, galley. */
  readonly address: string;
  /** Node id shown at the server, such as `sidecar~127.0.0.1~pilot.istio-system~istio-system.svc.cluster.local`. */
  readonly nodeId: string;
  /** MCP names of the collections wanted. */
  readonly collections: readonly string[];
  readonly credentials?: ChannelCredentials;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

const RETRY = { baseMs: 50, maxMs: 1_000 };
const MAX_MESSAGE_BYTES = 256 * 1024 * 1024;
/** google.rpc.Code INVALID_ARGUMENT. */
const INVALID_ARGUMENT = 3;

/**
 * Configuration by xDS (`meshConfig.configSources`, `xds://`): one type a kind, each resource an MCP resource in an Any, the state of the
 * world each time. A response with a wrong object is refused in whole. While the server is away, what it sent last stays.
 */
export function createXdsSource(options: XdsSourceOptions): ConfigSource {
  const { address, clock, logger } = options;
  const name = `xDS ${address}`;
  const store = new ObjectStore();
  const types = new Map(
    collections
      // The mesh configuration is no kind of GENERATOR=api.
      .filter(({ name: collection }) => collection !== CONFIG_MAPS && options.collections.includes(collection))
      .map((one) => [xdsTypeOf(one), one]),
  );
  const missing = new Set(types.keys());
  const accepted = new Map<string, string>();
  const problems = new Map<string, ConfigProblem>();
  const backoff = new Backoff(RETRY, options.random);
  const method = methodDefinition(AggregatedDiscoveryService.method.streamAggregatedResources);
  let client: Client | undefined;
  let closed = false;
  let failing = false;
  let cancel = (): void => undefined;

  /** Takes a response; why not, if not. */
  const take = ({ typeUrl, resources, versionInfo }: DiscoveryResponse): string | undefined => {
    const type = types.get(typeUrl);
    if (type === undefined) return `"${typeUrl.slice(0, 200)}" was not asked for`;
    const objects: ConfigObject[] = [];
    for (const any of resources) {
      if (any.typeUrl !== RESOURCE_TYPE_URL) return `a resource is "${any.typeUrl.slice(0, 200)}" but must be ${RESOURCE_TYPE_URL}`;
      try {
        const decoded = fromResource(type.name, fromBinary(ResourceSchema, any.value));
        if (!decoded.ok) return decoded.error;
        objects.push(decoded.value);
      } catch (error) {
        return `a resource does not decode: ${errorText(error)}`;
      }
    }
    const prefix = `${type.apiVersion.split('/')[0]}/${type.kind}/`;
    const keep = new Set(objects.map(objectKey));
    const gone = store
      .list()
      .map(objectKey)
      .filter((key) => key.startsWith(prefix) && !keep.has(key));
    store.apply(objects, gone);
    accepted.set(typeUrl, versionInfo);
    missing.delete(typeUrl);
    return undefined;
  };
  const open = (): void => {
    if (client === undefined || closed) return;
    const call = client.makeBidiStreamRequest(method.path, method.requestSerialize, method.responseDeserialize);
    cancel = () => call.cancel();
    let over = false;
    const lost = (reason: string) => {
      if (over || closed) return;
      over = true;
      if (!failing) logger.warn({ address }, `${name} lost, keeping what is held and trying again: ${reason}`);
      failing = true;
      cancel = clock.setTimeout(open, backoff.nextMs());
    };
    call.on('data', (response: DiscoveryResponse) => {
      if (over) return;
      backoff.reset();
      if (failing) logger.info({ address }, `${name} is back`);
      failing = false;
      const { typeUrl, nonce } = response;
      const error = take(response);
      if (error === undefined) problems.delete(typeUrl);
      else {
        logger.error({ address, typeUrl }, `${name}: refused ${typeUrl}: ${error}`);
        problems.set(typeUrl, { origin: `${name}, ${typeUrl}`, line: 0, message: error });
      }
      const errorDetail = error === undefined ? {} : { errorDetail: { code: INVALID_ARGUMENT, message: error.slice(0, 2_000) } };
      call.write(
        create(DiscoveryRequestSchema, { typeUrl, responseNonce: nonce, versionInfo: accepted.get(typeUrl) ?? '', ...errorDetail }),
      );
      if (missing.size === 0) store.markSynced();
    });
    call.on('error', (error: Error) => lost(error.message));
    call.on('end', () => lost('ended by the server'));
    // Each request names the node: a server may look at any of them.
    const node = { id: options.nodeId, metadata: { GENERATOR: 'api' } };
    for (const typeUrl of types.keys())
      call.write(create(DiscoveryRequestSchema, { typeUrl, node, versionInfo: accepted.get(typeUrl) ?? '' }));
  };
  return {
    name,
    get synced() {
      return store.synced;
    },
    list: () => store.list(),
    subscribe: (listener) => store.subscribe(listener),
    onSynced: (listener) => store.onSynced(listener),
    problems: () => [...problems.values()],
    start: async () => {
      if (types.size === 0) store.markSynced();
      client = new Client(address, options.credentials ?? grpcCredentials.createInsecure(), {
        'grpc.keepalive_time_ms': 30_000,
        'grpc.keepalive_timeout_ms': 10_000,
        'grpc.initial_reconnect_backoff_ms': 50,
        'grpc.max_reconnect_backoff_ms': 1_000,
        'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
      });
      open();
    },
    close: async () => {
      closed = true;
      cancel();
      client?.close();
    },
  };
}
