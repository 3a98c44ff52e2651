export { AdsStream, type AdsStreamOptions, type ProxyView, type RequestResult, type TypeStatus } from './ads-stream.ts';
export type { RequestMeaning } from './requests.ts';
export { type EncodedResource, ResourceCache, type ResourceMap } from './resource.ts';
export { differingNames, LayeredResources, layered, NO_RESOURCES, ResourceLayer } from './resource-layer.ts';
export { type EncodedResponse, encodeDeltaResponse, encodeSotwResponse } from './responses.ts';
export type { ResourceStatus } from './subscription.ts';
export {
  CLUSTER_TYPE,
  ENDPOINT_TYPE,
  EXTENSION_TYPE,
  HEALTH_TYPE,
  isWholeSetType,
  LISTENER_TYPE,
  NAME_TABLE_TYPE,
  PROXY_CONFIG_TYPE,
  PUSH_ORDER,
  ROUTE_TYPE,
  SECRET_TYPE,
  shortTypeName,
} from './type-url.ts';
