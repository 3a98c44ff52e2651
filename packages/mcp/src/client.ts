import { type ChannelCredentials, Client, credentials as grpcCredentials, type ServiceError, status } from '@grpc/grpc-js';
import { Backoff, type Clock, type Logger, type Random } from '@xebec/core';
import { ResourceSource, type Resources } from '@xebec/protos/istio/mcp/v1alpha1/mcp';
import { methodDefinition } from '@xebec/rpc';
import type { McpSink } from './sink.ts';

export interface McpClientOptions {
  /** `host:port` of the source. */
  readonly address: string;
  readonly sink: McpSink;
  readonly credentials?: ChannelCredentials;
  /** Name that the server's certificate is checked for where the address does not say it, such as an IP address. */
  readonly serverName?: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

const RETRY = { baseMs: 50, maxMs: 1_000 };

/** A collection goes in one message: 100,000 objects of ordinary size, each way their names. */
export const MAX_MESSAGE_BYTES = 256 * 1024 * 1024;

/** Channel options of both ends. */
export const CHANNEL_OPTIONS = {
  // Sources of release 1.5 end connections of peers that ping every 30 s or more often.
  'grpc.keepalive_time_ms': 35_000,
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.initial_reconnect_backoff_ms': 50,
  'grpc.min_reconnect_backoff_ms': 50,
  'grpc.max_reconnect_backoff_ms': 1_000,
  'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
  'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
};

/** Keeps one stream to an MCP source open for ever: when it breaks, it comes back with the versions it holds. */
export function connectMcpSink(options: McpClientOptions): { close(): void } {
  const { address, sink, clock, logger } = options;
  const backoff = new Backoff(RETRY, options.random);
  const name = options.serverName === undefined ? {} : { 'grpc.ssl_target_name_override': options.serverName };
  const client = new Client(address, options.credentials ?? grpcCredentials.createInsecure(), { ...CHANNEL_OPTIONS, ...name });
  const method = methodDefinition(ResourceSource.method.establishResourceStream);
  /** Collections that the source has said not to know, until it is another one. */
  const without = new Set<string>();
  /** How many of them were logged. */
  let told = 0;
  /** False for a source whose messages must be smaller than the names of all that is held. */
  let resume = true;
  let closed = false;
  /** Why the stream does not stand: each new reason is logged once. */
  let failing: string | undefined;
  let cancelRetry: (() => void) | undefined;
  let cancelCall: (() => void) | undefined;

  const open = (): void => {
    const call = client.makeBidiStreamRequest(method.path, method.requestSerialize, method.responseDeserialize);
    cancelCall = () => call.cancel();
    let over = false;
    const lost = (reason: string, unknown?: string) => {
      if (over || closed) return;
      over = true;
      if (unknown !== undefined && !without.has(unknown)) {
        // It answers, and there is one collection less each time: nothing to wait for.
        without.add(unknown);
        open();
        return;
      }
      without.clear();
      if (failing !== reason) logger.warn({ address }, `MCP stream to ${address} lost, keeping what is held and trying again: ${reason}`);
      failing = reason;
      cancelRetry = clock.setTimeout(open, backoff.nextMs());
    };
    call.on('data', (response: Resources) => {
      if (over) return;
      backoff.reset();
      if (failing !== undefined) logger.info({ address }, `MCP stream to ${address} is back`);
      failing = undefined;
      for (const answer of sink.onResources(response)) {
        if (answer.errorDetail !== undefined)
          logger.error({ collection: answer.collection }, `MCP: refused ${answer.collection}: ${answer.errorDetail.message}`);
        call.write(answer);
      }
      if (without.size > told && sink.synced) {
        told = without.size;
        const names = [...without].join(', ');
        logger.warn({ address }, `MCP source ${address} does not know ${names}: the others are asked for. Is it of an older release?`);
      }
    });
    call.on('error', (error: ServiceError) => {
      if (error.code === status.RESOURCE_EXHAUSTED && error.details.includes('larger than max')) resume = false;
      const collection = error.code === status.INVALID_ARGUMENT && /un(?:known|supported) collection "([^"]*)"/.exec(error.details)?.[1];
      lost(
        error.message,
        sink.collections.find((name) => name === collection),
      );
    });
    call.on('end', () => lost('ended by the source'));
    for (const request of sink.open(new Set(without), resume)) call.write(request);
  };
  open();
  return {
    close: () => {
      closed = true;
      cancelRetry?.();
      cancelCall?.();
      client.close();
    },
  };
}
