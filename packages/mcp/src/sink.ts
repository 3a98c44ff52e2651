import { create } from '@bufbuild/protobuf';
import { type RequestResources, RequestResourcesSchema, type Resource, type Resources } from '@xebec/protos/istio/mcp/v1alpha1/mcp';

/** What a response changes in one collection. */
export interface SinkChange {
  readonly collection: string;
  /** False: `resources` is all there is now. */
  readonly incremental: boolean;
  readonly resources: readonly Resource[];
  /** Names; unknown ones are ignored. */
  readonly removed: readonly string[];
}

export interface McpSinkOptions {
  /** Shown at the source. */
  readonly id: string;
  readonly collections: readonly string[];
  /** Takes a change in whole or refuses it in whole, with one line that says why. */
  readonly apply: (change: SinkChange) => string | undefined;
}

/** google.rpc.Code INVALID_ARGUMENT. */
const INVALID_ARGUMENT = 3;

/** The sink's half of MCP, without I/O: it outlives streams, so that a new one resumes from what is held already. */
export class McpSink {
  readonly #options: McpSinkOptions;
  readonly #versions = new Map<string, Map<string, string>>();
  readonly #received = new Set<string>();

  constructor(options: McpSinkOptions) {
    this.#options = options;
    for (const collection of options.collections) this.#versions.set(collection, new Map());
  }
  /** Whether every collection has arrived at least once. */
  get synced(): boolean {
    return this.#received.size === this.#versions.size;
  }
  /** The requests that open a stream: one for each collection, with the versions already held. */
  open(): readonly RequestResources[] {
    return [...this.#versions].map(([collection, versions]) =>
      create(RequestResourcesSchema, {
        sinkNode: { id: this.#options.id },
        collection,
        initialResourceVersions: Object.fromEntries(versions),
        incremental: true,
      }),
    );
  }
  /** Takes a response; returns its ACK or NACK. */
  onResources(response: Resources): RequestResources {
    const { collection, nonce } = response;
    const error = this.#take(response);
    return create(RequestResourcesSchema, {
      sinkNode: { id: this.#options.id },
      collection,
      responseNonce: nonce,
      incremental: true,
      ...(error === undefined ? {} : { errorDetail: { code: INVALID_ARGUMENT, message: error } }),
    });
  }
  #take(response: Resources): string | undefined {
    const { collection, incremental, resources } = response;
    const versions = this.#versions.get(collection);
    if (versions === undefined) return `unsupported collection "${collection}"`;
    // In a full response absence removes; its list of removals has no meaning.
    const removed = incremental ? response.removedResources : [];
    const error = this.#options.apply({ collection, incremental, resources, removed });
    if (error !== undefined) return error;
    if (!incremental) versions.clear();
    for (const { metadata } of resources) if (metadata !== undefined) versions.set(metadata.name, metadata.version);
    for (const name of removed) versions.delete(name);
    this.#received.add(collection);
    return undefined;
  }
}
