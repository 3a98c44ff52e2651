import type { Exchange, Field, Json, Reply } from '../harness/family.ts';

/** One request of a scene and what upstreams answer to it. */
export interface Ask {
  readonly does: Extract<Exchange, { kind?: 'http1' } | { kind: 'http2' }>;
  readonly replies?: readonly Reply[];
  /** By the upstream's name, instead of `replies`. */
  readonly answers?: Readonly<Record<string, Reply>>;
}

/** A configuration of one listener and requests to it. Plain JSON, so that it can be shrunk and kept. */
export interface Scene {
  /** Fields of the connection manager, without its routes. */
  readonly manager: Json;
  /** Fields of the route configuration. */
  readonly routes: Json;
  readonly asks: readonly Ask[];
}

export type Fields = Field[];
