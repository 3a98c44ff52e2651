import { once } from 'node:events';
import { create, toBinary } from '@bufbuild/protobuf';
import { Client, credentials, Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import { AggregatedDiscoveryService } from '@xebec/protos/envoy/service/discovery/v3/ads';
import {
  DiscoveryRequestSchema,
  type DiscoveryResponse,
  DiscoveryResponseSchema,
} from '@xebec/protos/envoy/service/discovery/v3/discovery';
import { expect, it } from 'vitest';
import { type ScatteredMessage, scatteredMessages } from './scattered-message.ts';
import { methodDefinition, serviceDefinition } from './service-definition.ts';

/** Large enough to pass the windows of a stream several times. */
const LARGE = 300_000;

function inPieces(nonce: string): ScatteredMessage {
  const first = toBinary(DiscoveryResponseSchema, create(DiscoveryResponseSchema, { versionInfo: 'v'.repeat(LARGE) }));
  const last = toBinary(DiscoveryResponseSchema, create(DiscoveryResponseSchema, { nonce }));
  const parts = [first.subarray(0, 7), new Uint8Array(0), first.subarray(7), last];
  return { parts, byteLength: first.length + last.length };
}

async function received(interceptors: (typeof scatteredMessages)[]): Promise<DiscoveryResponse[]> {
  const server = new Server({ interceptors });
  const whole = create(DiscoveryResponseSchema, { nonce: 'whole' });
  server.addService(serviceDefinition(AggregatedDiscoveryService), {
    StreamAggregatedResources: (call: ServerDuplexStream<unknown, unknown>) => {
      for (const message of [inPieces('1'), whole, { parts: [], byteLength: 0 }, toBinary(DiscoveryResponseSchema, whole), inPieces('2')])
        call.write(message);
      call.end();
    },
    DeltaAggregatedResources: (call: ServerDuplexStream<unknown, unknown>) => call.end(),
  });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound))),
  );
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  const { path, requestSerialize, responseDeserialize } = methodDefinition(AggregatedDiscoveryService.method.streamAggregatedResources);
  const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
  const responses: DiscoveryResponse[] = [];
  call.on('data', (response: DiscoveryResponse) => responses.push(response));
  call.write(create(DiscoveryRequestSchema, {}));
  await once(call, 'end');
  client.close();
  server.forceShutdown();
  return responses;
}

it.each([
  ['as they lie', [scatteredMessages]],
  ['copied, where nothing sends them as they lie', []],
])('sends messages in pieces between others: %s', async (_, interceptors) => {
  const responses = await received(interceptors);
  expect(responses.map(({ nonce }) => nonce)).toEqual(['1', 'whole', '', 'whole', '2']);
  expect(responses.map(({ versionInfo }) => versionInfo.length)).toEqual([LARGE, 0, 0, 0, LARGE]);
});
