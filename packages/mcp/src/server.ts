import type { ServerDuplexStream, ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import { type Clock, errorText, type Logger, systemClock } from '@xebec/core';
import { type RequestResources, type Resource, ResourceSource, type ResourcesSchema } from '@xebec/protos/istio/mcp/v1alpha1/mcp';
import { type Encodable, serviceDefinition } from '@xebec/rpc';
import { type McpPeerStatus, SourceSession } from './source-session.ts';
import { SourceStates } from './source-states.ts';
import { StreamRate } from './stream-rate.ts';

export const mcpSourceService: ServiceDefinition = serviceDefinition(ResourceSource);

type SourceCall = ServerDuplexStream<RequestResources, Encodable<typeof ResourcesSchema>>;

export interface McpServerEvents {
  readonly onClients?: (count: number) => void;
  readonly onAnswer?: (collection: string, meaning: 'ack' | 'nack') => void;
  /** A stream was not let in. */
  readonly onRefused?: (reason: 'limit' | 'rate' | 'identity') => void;
  /** What is sent, in bytes, with how many resources. */
  readonly onSend?: (collection: string, bytes: number, resources: number) => void;
}

/** A stream that would wait longer for its turn is refused. */
const LONGEST_WAIT_MS = 5_000;

/** Who calls, or one line that says why nobody is let in. */
export type McpAuthenticate = (call: Pick<SourceCall, 'metadata' | 'getAuthContext'>) => Promise<string>;

export interface McpServerOptions {
  /** Streams that are open at once; 1,000 when absent. */
  readonly maxStreams?: number;
  /** Streams that are served in a second, and at once; 100 when absent. Others wait, sinks of release 1.4 come back at once. */
  readonly maxNewStreamsPerSecond?: number;
  readonly clock?: Clock;
}

/** A collection's content by `namespace/name`. */
export type CollectionContent = ReadonlyMap<string, Resource>;

/**
 * Serves collections to any number of sinks. Collections that were never published are not answered: unknown is not empty.
 * A sink that does not read costs no more than its place: the next response of a collection is made when the one before is out.
 */
export class McpServer {
  readonly #logger: Logger;
  readonly #events: McpServerEvents;
  readonly #maxStreams: number;
  readonly #rate: StreamRate;
  readonly #clock: Clock;
  readonly #states: SourceStates;
  readonly #sessions = new Map<SourceCall, SourceSession>();
  #sequence = 0;
  /** Streams that come too fast. */
  #waiting = 0;

  constructor(known: Iterable<string>, logger: Logger, events: McpServerEvents = {}, options: McpServerOptions = {}) {
    this.#states = new SourceStates(known);
    this.#logger = logger;
    this.#events = events;
    this.#maxStreams = options.maxStreams ?? 1_000;
    this.#clock = options.clock ?? systemClock;
    this.#rate = new StreamRate(options.maxNewStreamsPerSecond ?? 100, this.#clock);
  }
  /**
   * Makes `contents` what these collections hold, as one change: sinks with transactions (ours) see all of it at once or nothing, and
   * every response carries `version` as its `system_version_info`. Collections that are not named stay as they are.
   * The maps must not be changed afterwards. Throws for a collection that does not exist.
   */
  publish(contents: ReadonlyMap<string, CollectionContent>, version: string): void {
    this.#states.publish(contents, version);
    for (const session of this.#sessions.values()) session.update();
  }
  /** The states that sinks are served from, for sources that call sinks. */
  get states(): SourceStates {
    return this.#states;
  }
  clients(): readonly McpPeerStatus[] {
    return [...this.#sessions.values()].map((session) => session.status());
  }
  implementation(authenticate?: McpAuthenticate): UntypedServiceImplementation {
    return { EstablishResourceStream: (call: SourceCall) => this.#accept(call, authenticate) };
  }
  close(): void {
    for (const call of this.#sessions.keys()) call.end();
    this.#sessions.clear();
  }

  #accept(call: SourceCall, authenticate: McpAuthenticate | undefined): void {
    const refuse = (code: status, details: string, reason: 'limit' | 'rate' | 'identity') => {
      this.#events.onRefused?.(reason);
      this.#logger.warn({ peer: call.getPeer() }, `MCP: ${call.getPeer()} is not let in: ${details}`);
      call.emit('error', { code, details });
    };
    call.on('error', () => undefined);
    if (this.#sessions.size + this.#waiting >= this.#maxStreams) {
      refuse(status.RESOURCE_EXHAUSTED, `${this.#maxStreams} streams are open, which is the limit`, 'limit');
      return;
    }
    const waitMs = this.#rate.take(LONGEST_WAIT_MS);
    if (waitMs === undefined) {
      refuse(status.UNAVAILABLE, 'too many new streams within seconds; try again', 'rate');
      return;
    }
    const begin = () => {
      if (authenticate === undefined) this.#serve(call, call.getPeer());
      // Requests wait in the call until somebody listens.
      else
        authenticate(call).then(
          (identity) => this.#serve(call, call.getPeer(), identity),
          (error: unknown) => refuse(status.UNAUTHENTICATED, errorText(error), 'identity'),
        );
    };
    if (waitMs === 0) {
      begin();
      return;
    }
    this.#waiting++;
    this.#clock.setTimeout(() => {
      this.#waiting--;
      if (!call.cancelled) begin();
    }, waitMs);
  }
  #serve(call: SourceCall, peer: string, identity?: string): void {
    const session = new SourceSession({
      call,
      peer,
      ...(identity === undefined ? {} : { identity }),
      states: this.#states,
      noncePrefix: `${++this.#sequence}/`,
      logger: this.#logger,
      events: this.#events,
    });
    this.#sessions.set(call, session);
    this.#events.onClients?.(this.#sessions.size);
    const end = () => {
      if (this.#sessions.delete(call)) this.#events.onClients?.(this.#sessions.size);
    };
    call.on('data', (request: RequestResources) => {
      const error = session.onRequest(request);
      if (error === undefined) return;
      call.emit('error', { code: status.INVALID_ARGUMENT, details: error });
      end();
    });
    call.on('end', () => {
      call.end();
      end();
    });
    for (const event of ['cancelled', 'close', 'error']) call.on(event, end);
  }
}
