import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { FuzzTarget } from '@xebec/core';
import { RequestResourcesSchema, ResourcesSchema } from '@xebec/protos/istio/mcp/v1alpha1/mcp';
import { decodeObject } from '@xebec/schemas';
import { encodeResponse } from './encode-response.ts';
import { fromResource, toResource } from './resource.ts';
import { McpSink } from './sink.ts';
import { SourceStates } from './source-states.ts';
import { McpSourceStream } from './source-stream.ts';

const RULES = 'istio/networking/v1alpha3/virtualservices';
const GATEWAYS = 'istio/networking/v1alpha3/gateways';
const decoded = decodeObject({
  apiVersion: 'networking.istio.io/v1',
  kind: 'VirtualService',
  metadata: { name: 'a', namespace: 'd', resourceVersion: '1' },
  spec: { hosts: ['a'], http: [{ timeout: '5s', route: [{ destination: { host: 'a' }, weight: 100 }] }] },
});
const resources = decoded.ok ? [toResource(decoded.value)] : [];
const request = toBinary(
  RequestResourcesSchema,
  create(RequestResourcesSchema, {
    sinkNode: { id: 'sink', annotations: { 'mcp.xebec.io/transactions': '2' } },
    collection: RULES,
    initialResourceVersions: { 'd/a': '0' },
    incremental: true,
  }),
);
const response = toBinary(
  ResourcesSchema,
  create(ResourcesSchema, { systemVersionInfo: '1', collection: RULES, resources, removedResources: ['d/b'], nonce: '1', more: true }),
);

/** The message, or undefined for bytes that are none: the gRPC layer ends such a stream. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

export const fuzzTargets: readonly FuzzTarget[] = [
  {
    name: 'mcp-source',
    seeds: [Buffer.from(request)],
    dictionary: [RULES, GATEWAYS, '1', '__proto__', 'mcp.xebec.io/transactions'],
    check(input) {
      const message = attempt(() => fromBinary(RequestResourcesSchema, input));
      if (message === undefined) return;
      const states = new SourceStates([RULES, GATEWAYS]);
      states.publish(new Map([[RULES, new Map(resources.map((resource) => ['d/a', resource]))]]), '1');
      const stream = new McpSourceStream(states.known, states);
      for (let turn = 0; turn < 3; turn++)
        for (const answer of stream.onRequest(message).responses) {
          const { parts } = encodeResponse(answer, 'struct');
          fromBinary(ResourcesSchema, Buffer.concat(parts));
        }
      if (stream.status().length > 2) throw new Error('more subscriptions than collections');
    },
  },
  {
    name: 'mcp-sink',
    seeds: [Buffer.from(response)],
    dictionary: [RULES, GATEWAYS, 'type.googleapis.com/google.protobuf.Struct', '__proto__', '\xc0\x3e\x01'],
    check(input) {
      const message = attempt(() => fromBinary(ResourcesSchema, input));
      if (message === undefined) return;
      const sink = new McpSink({
        id: 'fuzz',
        collections: [RULES, GATEWAYS],
        apply: (changes) =>
          changes.flatMap((change) =>
            change.resources.flatMap((resource) => {
              const result = fromResource(change.collection, resource);
              return result.ok ? [] : [{ collection: change.collection, message: result.error }];
            }),
          ),
      });
      const answers = [...sink.onResources(message), ...sink.onResources({ ...message, more: false })];
      for (const answer of answers) fromBinary(RequestResourcesSchema, toBinary(RequestResourcesSchema, answer));
    },
  },
];
