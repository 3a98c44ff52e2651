export { connectMcpSink, type McpClientOptions } from './client.ts';
export { CONFIG_MAPS, collectionOf, collections, fromResource, resourceName, toResource } from './resource.ts';
export { McpServer, type McpServerEvents, mcpSourceService } from './server.ts';
export { McpSink, type McpSinkOptions, type SinkChange } from './sink.ts';
export { type CollectionLookup, type CollectionState, McpSourceStream, type SourceRequestResult } from './source-stream.ts';
