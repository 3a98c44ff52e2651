import type { ServerDuplexStream, ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import type { Logger } from '@xebec/core';
import type { ResourcesSchema } from '@xebec/protos/istio/mcp/v1alpha1/mcp';
import { type RequestResources, type Resource, ResourceSource } from '@xebec/protos/istio/mcp/v1alpha1/mcp';
import { type Encodable, serviceDefinition } from '@xebec/rpc';
import { type CollectionState, McpSourceStream } from './source-stream.ts';

export const mcpSourceService: ServiceDefinition = serviceDefinition(ResourceSource);

export interface McpServerEvents {
  readonly onClients?: (count: number) => void;
  readonly onAnswer?: (collection: string, meaning: 'ack' | 'nack') => void;
}

/** Serves collections to any number of sinks. Collections that were never set are not answered: unknown is not empty. */
export class McpServer {
  readonly #known: ReadonlySet<string>;
  readonly #logger: Logger;
  readonly #events: McpServerEvents;
  readonly #states = new Map<string, CollectionState>();
  readonly #clients = new Map<
    ServerDuplexStream<RequestResources, Encodable<typeof ResourcesSchema>>,
    { stream: McpSourceStream; id: string }
  >();
  #sequence = 0;

  constructor(known: Iterable<string>, logger: Logger, events: McpServerEvents = {}) {
    this.#known = new Set(known);
    this.#logger = logger;
    this.#events = events;
  }
  /** Makes `resources` (by `namespace/name`) the content of a collection and tells the sinks. */
  set(collection: string, resources: ReadonlyMap<string, Resource>, version: string): void {
    this.#states.set(collection, { version, resources });
    for (const [call, { stream }] of this.#clients) for (const response of stream.update(collection)) call.write(response);
  }
  clients(): readonly { readonly id: string; readonly collections: ReturnType<McpSourceStream['status']> }[] {
    return [...this.#clients.values()].map(({ id, stream }) => ({ id, collections: stream.status() }));
  }
  implementation(): UntypedServiceImplementation {
    return {
      EstablishResourceStream: (call: ServerDuplexStream<RequestResources, Encodable<typeof ResourcesSchema>>) => this.#accept(call),
    };
  }
  close(): void {
    for (const call of this.#clients.keys()) call.end();
    this.#clients.clear();
  }

  #accept(call: ServerDuplexStream<RequestResources, Encodable<typeof ResourcesSchema>>): void {
    const client = {
      stream: new McpSourceStream(this.#known, (name) => this.#states.get(name), `${++this.#sequence}/`),
      id: call.getPeer(),
    };
    this.#clients.set(call, client);
    this.#events.onClients?.(this.#clients.size);
    const end = () => {
      if (this.#clients.delete(call)) this.#events.onClients?.(this.#clients.size);
    };
    call.on('data', (request: RequestResources) => {
      if (request.sinkNode !== undefined && request.sinkNode.id !== '') client.id = request.sinkNode.id;
      const { meaning, error, responses } = client.stream.onRequest(request);
      if (meaning === 'invalid') {
        call.emit('error', { code: status.INVALID_ARGUMENT, details: error ?? '' });
        return end();
      }
      if (meaning === 'ack' || meaning === 'nack') this.#events.onAnswer?.(request.collection, meaning);
      if (meaning === 'nack')
        this.#logger.warn({ sink: client.id, collection: request.collection }, `MCP: ${client.id} refused: ${error ?? ''}`);
      for (const response of responses) call.write(response);
    });
    call.on('end', () => {
      call.end();
      end();
    });
    for (const event of ['cancelled', 'close', 'error']) call.on(event, end);
  }
}
