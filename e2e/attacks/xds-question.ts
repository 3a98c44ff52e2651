import { readFileSync } from 'node:fs';
import { create, fromBinary, type JsonObject, toBinary } from '@bufbuild/protobuf';
import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { DiscoveryRequestSchema, DiscoveryResponseSchema } from '@xebec/protos/envoy/service/discovery/v3/discovery';

export interface XdsQuestion {
  /** `host:port`, or `unix:path`. */
  readonly address: string;
  /** Root of the server's certificate; without it the connection is plaintext. */
  readonly rootFile?: string;
  readonly token?: string;
  readonly node: { readonly id: string; readonly metadata: JsonObject };
  readonly typeUrl: string;
  readonly names: readonly string[];
}

const METHOD = '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources';
const bytes = (value: Buffer): Buffer => value;

/** Asks a pilot once over ADS: the bodies of what it gives, as text, or its refusal. */
export function askXds({ address, rootFile, token, node, typeUrl, names }: XdsQuestion): Promise<string> {
  const channel = rootFile === undefined ? credentials.createInsecure() : credentials.createSsl(readFileSync(rootFile));
  const client = new Client(
    address,
    channel,
    rootFile === undefined ? {} : { 'grpc.ssl_target_name_override': 'istio-pilot.istio-system.svc' },
  );
  const metadata = new Metadata();
  if (token !== undefined) metadata.set('authorization', `Bearer ${token}`);
  const stream = client.makeBidiStreamRequest(METHOD, bytes, bytes, metadata);
  return new Promise((resolve) => {
    const finish = (text: string) => {
      clearTimeout(timer);
      stream.on('error', () => undefined);
      stream.cancel();
      client.close();
      resolve(text);
    };
    const timer = setTimeout(() => finish('nothing'), 4_000);
    stream.on('data', (message: Buffer) => {
      const { resources } = fromBinary(DiscoveryResponseSchema, message);
      finish(resources.map(({ value }) => Buffer.from(value).toString('latin1')).join('\n') || 'nothing');
    });
    stream.on('error', (error: ServiceError) => finish(`refused: ${error.code} ${error.details}`));
    stream.write(
      Buffer.from(toBinary(DiscoveryRequestSchema, create(DiscoveryRequestSchema, { node, typeUrl, resourceNames: [...names] }))),
    );
  });
}
