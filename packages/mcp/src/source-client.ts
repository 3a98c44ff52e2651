import { type ChannelCredentials, Client, credentials as grpcCredentials } from '@grpc/grpc-js';
import { Backoff, type Clock, type Logger, type Random } from '@xebec/core';
import { type RequestResources, ResourceSink } from '@xebec/protos/istio/mcp/v1alpha1/mcp';
import { methodDefinition } from '@xebec/rpc';
import { CHANNEL_OPTIONS } from './client.ts';
import { type McpPeerStatus, SourceSession, type SourceSessionOptions } from './source-session.ts';
import type { SourceStates } from './source-states.ts';

export interface McpSourceClientOptions {
  /** `host:port` of the sink. */
  readonly address: string;
  readonly states: SourceStates;
  readonly credentials?: ChannelCredentials;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly events?: SourceSessionOptions['events'];
}

export interface McpSourceClient {
  /** Sends what has changed; call it after each publication. */
  update(): void;
  /** Undefined while there is no connection. */
  status(): McpPeerStatus | undefined;
  close(): void;
}

const RETRY = { baseMs: 50, maxMs: 1_000 };

/** A source that calls its sink, for sinks that nobody may call from outside: one stream for ever, opened again when it breaks. */
export function connectMcpSource(options: McpSourceClientOptions): McpSourceClient {
  const { address, states, clock, logger } = options;
  const backoff = new Backoff(RETRY, options.random);
  const client = new Client(address, options.credentials ?? grpcCredentials.createInsecure(), CHANNEL_OPTIONS);
  const method = methodDefinition(ResourceSink.method.establishResourceStream);
  let closed = false;
  let failing = false;
  let streams = 0;
  let session: SourceSession | undefined;
  let cancelRetry: (() => void) | undefined;
  let cancelCall: (() => void) | undefined;

  const open = (): void => {
    const call = client.makeBidiStreamRequest(method.path, method.requestSerialize, method.responseDeserialize);
    cancelCall = () => call.cancel();
    let over = false;
    const current = new SourceSession({
      call,
      peer: address,
      states,
      noncePrefix: `s${++streams}/`,
      logger,
      events: options.events ?? {},
    });
    const lost = (reason: string) => {
      if (over || closed) return;
      over = true;
      session = undefined;
      if (!failing) logger.warn({ address }, `MCP stream to sink ${address} lost, trying again: ${reason}`);
      failing = true;
      cancelRetry = clock.setTimeout(open, backoff.nextMs());
    };
    call.on('data', (request: RequestResources) => {
      if (over) return;
      session = current;
      backoff.reset();
      if (failing) logger.info({ address }, `MCP stream to sink ${address} is back`);
      failing = false;
      const error = current.onRequest(request);
      if (error === undefined) return;
      call.cancel();
      lost(error);
    });
    call.on('error', (error: Error) => lost(error.message));
    call.on('end', () => lost('ended by the sink'));
  };
  open();
  return {
    update: () => session?.update(),
    status: () => session?.status(),
    close: () => {
      closed = true;
      cancelRetry?.();
      cancelCall?.();
      client.close();
    },
  };
}
