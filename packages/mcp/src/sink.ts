import { create } from '@bufbuild/protobuf';
import { type RequestResources, RequestResourcesSchema, type Resource, type Resources } from '@xebec/protos/istio/mcp/v1alpha1/mcp';
import { ABORTED, BODIES, INVALID_ARGUMENT, TRANSACTIONS, UNIMPLEMENTED } from './transaction-mark.ts';

/** What a response changes in one collection. */
export interface SinkChange {
  readonly collection: string;
  /** False: `resources` is all there is now. */
  readonly incremental: boolean;
  readonly resources: readonly Resource[];
  /** Names; unknown ones are ignored. */
  readonly removed: readonly string[];
}

/** Why a collection of a change cannot be taken, in one line. */
export interface Refusal {
  readonly collection: string;
  readonly message: string;
}

export interface McpSinkOptions {
  /** Shown at the source. */
  readonly id: string;
  readonly collections: readonly string[];
  /** Those of them that a source may know and never answer: release 1.4's does so of Kubernetes' own kinds. */
  readonly optional?: readonly string[];
  /**
   * Takes everything that one change of the source brought, at most one entry a collection, or refuses all of it and says
   * what was wrong; an empty list is acceptance. `version` is the source's and means nothing here.
   */
  readonly apply: (changes: readonly SinkChange[], version: string) => readonly Refusal[];
}

export interface SinkStatus {
  readonly collection: string;
  readonly received: boolean;
  readonly resources: number;
  /** `system_version_info` of what was accepted last. */
  readonly version: string;
  readonly lastError: string | undefined;
}

/** One collection as this sink holds it. */
interface HeldCollection {
  readonly versions: Map<string, string>;
  received: boolean;
  version: string;
  lastError: string | undefined;
}

/**
 * The sink's half of MCP, without I/O: it outlives streams, so that a new one resumes from what is held already. Collections that
 * the source marks as one change are applied with one call, when the last of them is there.
 */
export class McpSink {
  readonly #options: McpSinkOptions;
  readonly #held = new Map<string, HeldCollection>();
  /** Responses of a change that is not complete yet, at most one a collection. */
  #pending = new Map<string, Resources>();
  /** Collections that the source of the latest stream does not know. */
  #without: ReadonlySet<string> = new Set();
  /** Those that it has not answered yet, with whether it was told versions. */
  #unanswered = new Map<string, boolean>();

  constructor(options: McpSinkOptions) {
    this.#options = options;
    for (const collection of options.collections)
      this.#held.set(collection, { versions: new Map(), received: false, version: '', lastError: undefined });
  }
  get collections(): readonly string[] {
    return [...this.#held.keys()];
  }
  /** Whether every collection that the source knows, and is not optional, has arrived at least once. */
  get synced(): boolean {
    const { optional = [] } = this.#options;
    return [...this.#held].every(
      ([collection, { received }]) => received || this.#without.has(collection) || optional.includes(collection),
    );
  }
  /**
   * The requests that open a stream: one for each collection but those that the source does not know, with the versions already held
   * unless `resume` is false.
   */
  open(without: ReadonlySet<string> = new Set(), resume = true): readonly RequestResources[] {
    this.#pending.clear();
    this.#without = without;
    const asked = [...this.#held].filter(([collection]) => !without.has(collection));
    this.#unanswered = new Map(asked.map(([collection]) => [collection, resume]));
    const annotations = { [TRANSACTIONS]: String(asked.length), [BODIES]: 'struct' };
    return asked.map(([collection, { versions }]) =>
      create(RequestResourcesSchema, {
        sinkNode: { id: this.#options.id, annotations },
        collection,
        initialResourceVersions: resume ? Object.fromEntries(versions) : {},
        incremental: true,
      }),
    );
  }
  /** Takes a response; returns the ACKs or NACKs that are due: none while more of the same change is to come. */
  onResources(response: Resources): readonly RequestResources[] {
    const { collection } = response;
    if (!this.#held.has(collection)) return [this.#answer(response, UNIMPLEMENTED, `unsupported collection "${collection.slice(0, 200)}"`)];
    if (this.#pending.has(collection)) return [this.#answer(response, INVALID_ARGUMENT, `"${collection}" came twice in one change`)];
    this.#pending.set(collection, this.#asMeant(response));
    if (response.more) return [];
    const responses = [...this.#pending.values()];
    this.#pending = new Map();
    return this.#takeAll(responses, response.systemVersionInfo);
  }
  /** Each collection as it is held, for debug pages. */
  status(): readonly SinkStatus[] {
    return [...this.#held].map(([collection, { versions, received, version, lastError }]) => ({
      collection,
      received,
      resources: versions.size,
      version,
      lastError,
    }));
  }

  /**
   * The first increment to a sink that held back its versions is all there is. So is one that repeats what the source was told of:
   * those of release 1.4 do not look at versions, and what was removed meanwhile stands in no list of theirs.
   */
  #asMeant(response: Resources): Resources {
    const { collection, incremental, resources } = response;
    const told = this.#unanswered.get(collection);
    this.#unanswered.delete(collection);
    const versions = this.#held.get(collection)?.versions;
    if (!incremental || told === undefined || versions === undefined || versions.size === 0) return response;
    const repeats = ({ metadata }: Resource) => metadata !== undefined && versions.get(metadata.name) === metadata.version;
    return told && !resources.some(repeats) ? response : { ...response, incremental: false };
  }
  #takeAll(responses: readonly Resources[], version: string): readonly RequestResources[] {
    const changes = responses.map(({ collection, incremental, resources, removedResources }) => ({
      collection,
      incremental,
      resources,
      // In a full response absence removes; its list of removals has no meaning.
      removed: incremental ? removedResources : [],
    }));
    const refusals = new Map(this.#options.apply(changes, version).map(({ collection, message }) => [collection, message]));
    if (refusals.size > 0) {
      const together = `not taken, because the same change was refused in ${[...refusals.keys()].join(', ')}`;
      return responses.map((response) => {
        const message = refusals.get(response.collection);
        return message === undefined ? this.#answer(response, ABORTED, together) : this.#answer(response, INVALID_ARGUMENT, message);
      });
    }
    for (const change of changes) this.#note(change, version);
    return responses.map((response) => this.#answer(response));
  }
  #note({ collection, incremental, resources, removed }: SinkChange, version: string): void {
    const held = this.#held.get(collection);
    if (held === undefined) return;
    if (!incremental) held.versions.clear();
    for (const name of removed) held.versions.delete(name);
    for (const { metadata } of resources) if (metadata !== undefined) held.versions.set(metadata.name, metadata.version);
    held.received = true;
    held.version = version;
  }
  #answer({ collection, nonce }: Resources, code?: number, message?: string): RequestResources {
    const held = this.#held.get(collection);
    if (held !== undefined) held.lastError = message;
    return create(RequestResourcesSchema, {
      sinkNode: { id: this.#options.id },
      collection,
      responseNonce: nonce,
      incremental: true,
      ...(code === undefined || message === undefined ? {} : { errorDetail: { code, message } }),
    });
  }
}
