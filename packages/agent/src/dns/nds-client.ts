import { create, fromBinary, fromJson, toBinary } from '@bufbuild/protobuf';
import { Client, type ClientDuplexStream, credentials } from '@grpc/grpc-js';
import { type Clock, errorText, type Logger } from '@xebec/core';
import type { BootstrapNode } from '@xebec/injection';
import { NodeSchema } from '@xebec/protos/envoy/config/core/v3/base';
import { DiscoveryRequestSchema, DiscoveryResponseSchema } from '@xebec/protos/envoy/service/discovery/v3/discovery';
import { NameTableSchema } from '@xebec/protos/istio/networking/nds/v1/nds';
import type { NameEntry } from './name-table.ts';

export interface NdsClientOptions {
  /** The relay's Unix socket. */
  readonly socketPath: string;
  readonly node: BootstrapNode;
  readonly clock: Clock;
  readonly logger: Logger;
  onTable(entries: ReadonlyMap<string, NameEntry>): void;
}

const typeUrl = 'type.googleapis.com/istio.networking.nds.v1.NameTable';
const retryMs = 5000;

/** Watches the name table of the pilot, where it has one: a stream of its own through the ADS relay, opened again when it ends. */
export function watchNameTable(options: NdsClientOptions): { close(): void } {
  const { clock, logger } = options;
  const client = new Client(`unix:${options.socketPath}`, credentials.createInsecure());
  let stream: ClientDuplexStream<Buffer, Buffer> | undefined;
  let cancelRetry: (() => void) | undefined;
  let closed = false;
  const request = (version: string, nonce: string, error?: string): Buffer =>
    Buffer.from(
      toBinary(
        DiscoveryRequestSchema,
        create(DiscoveryRequestSchema, {
          typeUrl,
          versionInfo: version,
          responseNonce: nonce,
          ...(nonce === '' ? { node: fromJson(NodeSchema, JSON.parse(JSON.stringify(options.node)), { ignoreUnknownFields: true }) } : {}),
          ...(error === undefined ? {} : { errorDetail: { code: 3, message: error } }),
        }),
      ),
    );
  const open = (): void => {
    if (closed) return;
    let version = '';
    const identity = (bytes: Buffer): Buffer => bytes;
    const path = '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources';
    const current = client.makeBidiStreamRequest(path, identity, identity);
    stream = current;
    current.on('data', (bytes: Buffer) => {
      let nonce = '';
      try {
        const response = fromBinary(DiscoveryResponseSchema, bytes);
        nonce = response.nonce;
        const resource = response.resources[0];
        const table = resource === undefined ? create(NameTableSchema) : fromBinary(NameTableSchema, resource.value);
        options.onTable(
          new Map(Object.entries(table.table).map(([host, info]) => [host, { addresses: info.ips, alternatives: info.altHosts }])),
        );
        version = response.versionInfo;
        current.write(request(version, nonce));
      } catch (error) {
        if (nonce !== '') current.write(request(version, nonce, errorText(error)));
      }
    });
    let over = false;
    const again = (reason: string): void => {
      if (over || closed) return;
      over = true;
      logger.debug({ reason }, 'the stream of the name table ended');
      cancelRetry = clock.setTimeout(open, retryMs);
    };
    current.on('error', (error) => again(error.message));
    current.on('end', () => again('ended'));
    current.write(request('', ''));
  };
  open();
  return {
    close() {
      closed = true;
      cancelRetry?.();
      stream?.cancel();
      client.close();
    },
  };
}
