import type { Logger } from '@xebec/core';
import type { RequestResources, Resources, ResourcesSchema } from '@xebec/protos/istio/mcp/v1alpha1/mcp';
import type { Encodable } from '@xebec/rpc';
import { encodeResponse } from './encode-response.ts';
import type { SourceStates } from './source-states.ts';
import { McpSourceStream, type SubscriptionStatus } from './source-stream.ts';

/** The writing half of a gRPC stream, whichever side opened it. */
export interface ResponseWriter {
  write(message: Encodable<typeof ResourcesSchema>, written: () => void): unknown;
}

export interface McpPeerStatus {
  /** As the sink names itself; its address until it has. */
  readonly id: string;
  readonly peer: string;
  /** SPIFFE ID, where streams are authenticated. */
  readonly identity?: string;
  readonly transactions: boolean;
  readonly sent: { readonly responses: number; readonly resources: number; readonly bytes: number };
  /** Responses that the connection has not taken yet. */
  readonly unsent: number;
  readonly collections: readonly SubscriptionStatus[];
  /** The latest requests, oldest first. */
  readonly journal: readonly JournalEntry[];
}

export interface JournalEntry {
  readonly collection: string;
  readonly nonce: string;
  readonly meaning: string;
  readonly error?: string;
}

export interface SourceSessionOptions {
  readonly call: ResponseWriter;
  readonly peer: string;
  readonly identity?: string;
  readonly states: SourceStates;
  readonly noncePrefix: string;
  readonly logger: Logger;
  readonly events: {
    readonly onAnswer?: (collection: string, meaning: 'ack' | 'nack') => void;
    readonly onSend?: (collection: string, bytes: number, resources: number) => void;
  };
}

const JOURNAL_LENGTH = 32;
/** Of what peers write, as much as a page or a log line should hold. */
const MAX_TEXT = 500;

/** A source's stream with one sink: the protocol, and what may be written when. */
export class SourceSession {
  readonly #options: SourceSessionOptions;
  readonly #stream: McpSourceStream;
  /** Collections with a response that the connection has not taken yet. */
  readonly #unsent = new Set<string>();
  readonly #journal: JournalEntry[] = [];
  readonly #sent = { responses: 0, resources: 0, bytes: 0 };
  #id: string;

  constructor(options: SourceSessionOptions) {
    this.#options = options;
    this.#id = options.peer;
    const { states, noncePrefix } = options;
    this.#stream = new McpSourceStream(states.known, states, noncePrefix, (collection) => !this.#unsent.has(collection));
  }
  /** Takes a request; a returned text is why the stream must end with INVALID_ARGUMENT. */
  onRequest(request: RequestResources): string | undefined {
    const { logger, events } = this.#options;
    const { collection } = request;
    if (request.sinkNode !== undefined && request.sinkNode.id !== '') this.#id = request.sinkNode.id.slice(0, MAX_TEXT);
    const { meaning, error, responses } = this.#stream.onRequest(request);
    const reason = error?.slice(0, MAX_TEXT);
    this.#note({
      collection: collection.slice(0, MAX_TEXT),
      nonce: request.responseNonce.slice(0, MAX_TEXT),
      meaning,
      ...(reason ? { error: reason } : {}),
    });
    if (meaning === 'invalid') return reason ?? 'invalid request';
    if (meaning === 'ack' || meaning === 'nack') events.onAnswer?.(collection, meaning);
    if (meaning === 'nack') logger.warn({ sink: this.#id, collection }, `MCP: ${this.#id} refused ${collection}: ${reason ?? ''}`);
    this.#send(responses);
    return undefined;
  }
  /** Sends what the present state asks for. */
  update(): void {
    this.#send(this.#stream.update());
  }
  status(): McpPeerStatus {
    const { peer, identity } = this.#options;
    return {
      id: this.#id,
      peer,
      ...(identity === undefined ? {} : { identity }),
      transactions: this.#stream.transactions,
      sent: { ...this.#sent },
      unsent: this.#unsent.size,
      collections: this.#stream.status(),
      journal: [...this.#journal],
    };
  }

  #note(entry: JournalEntry): void {
    this.#journal.push(entry);
    if (this.#journal.length > JOURNAL_LENGTH) this.#journal.shift();
  }
  #send(responses: readonly Resources[]): void {
    for (const response of responses) {
      const { collection } = response;
      const message = encodeResponse(response, this.#stream.bodies);
      this.#unsent.add(collection);
      this.#sent.responses++;
      this.#sent.resources += response.resources.length;
      this.#sent.bytes += message.byteLength;
      this.#options.events.onSend?.(collection, message.byteLength, response.resources.length);
      this.#options.call.write(message, () => {
        this.#unsent.delete(collection);
        // What changed or was asked for again meanwhile.
        this.update();
      });
    }
  }
}
