export { connectMcpSink, MAX_MESSAGE_BYTES, type McpClientOptions } from './client.ts';
export { CONFIG_MAPS, collectionOf, collections, fromResource, inMessageForm, resourceName, toResource } from './resource.ts';
export {
  type CollectionContent,
  type McpAuthenticate,
  McpServer,
  type McpServerEvents,
  type McpServerOptions,
  mcpSourceService,
} from './server.ts';
export { McpSink, type McpSinkOptions, type Refusal, type SinkChange, type SinkStatus } from './sink.ts';
export { McpSinkServer, mcpSinkService } from './sink-service.ts';
export { connectMcpSource, type McpSourceClient, type McpSourceClientOptions } from './source-client.ts';
export type { CollectionState } from './source-diff.ts';
export type { JournalEntry, McpPeerStatus } from './source-session.ts';
export { SourceStates } from './source-states.ts';
export { McpSourceStream, type SourceRequestResult, type SourceView, type SubscriptionStatus } from './source-stream.ts';
export { RESOURCE_TYPE_URL, XdsSource, xdsSourceService, xdsTypeOf } from './xds-service.ts';
