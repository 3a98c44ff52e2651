export { AdsStream, type AdsStreamOptions, type ProxyView, type RequestResult, type TypeStatus } from './ads-stream.ts';
export type { RequestMeaning } from './requests.ts';
export { type EncodedResource, ResourceCache, type ResourceMap } from './resource.ts';
export type { EncodedResponse } from './responses.ts';
export { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, PUSH_ORDER, ROUTE_TYPE, SECRET_TYPE, shortTypeName } from './type-url.ts';
