import type { FilterStream } from './stream.ts';

/** What a filter does. Functions that are left out cost nothing. */
export interface FilterDefinition<Config> {
  /**
   * Makes of the configuration's `config` what the other functions get; throws when it is wrong. A schema's `parse` fits
   * (`config: z.object({ … }).parse`). Without it they get the value as it stands.
   */
  config?(raw: unknown): Config;
  /** The request's head has come. Async work holds the request back. */
  onRequest?(stream: FilterStream, config: Config): void | Promise<void>;
  /** The request's whole body has come (at most 1 MiB, else 413). What is returned goes on in its place. */
  // biome-ignore lint/suspicious/noConfusingVoidType: a function that returns nothing leaves the body as it is
  onRequestBody?(stream: FilterStream, body: Uint8Array, config: Config): Body | void | Promise<Body | void>;
  /** The response's head has come. */
  onResponse?(stream: FilterStream, config: Config): void | Promise<void>;
  // biome-ignore lint/suspicious/noConfusingVoidType: as above
  onResponseBody?(stream: FilterStream, body: Uint8Array, config: Config): Body | void | Promise<Body | void>;
}

type Body = string | Uint8Array;

/** Types a filter; the default export of a filter's file. */
export function defineFilter<Config = unknown>(definition: FilterDefinition<Config>): FilterDefinition<Config> {
  return definition;
}
