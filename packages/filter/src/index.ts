export { defineFilter, type FilterDefinition } from './definition.ts';
export type {
  FetchedResponse,
  FetchOptions,
  FilterConnection,
  FilterHeaders,
  FilterRequest,
  FilterResponse,
  FilterRoute,
  FilterStream,
  StreamReply,
} from './stream.ts';
