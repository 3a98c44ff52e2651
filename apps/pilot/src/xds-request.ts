import type { DeltaDiscoveryRequest, DiscoveryRequest } from '@xebec/protos/envoy/service/discovery/v3/discovery';

export type XdsRequest = DiscoveryRequest | DeltaDiscoveryRequest;

export function isDeltaRequest(request: XdsRequest): request is DeltaDiscoveryRequest {
  return request.$typeName === 'envoy.service.discovery.v3.DeltaDiscoveryRequest';
}

/** The names a request asks for, in either variant. */
export function requestedNames(request: XdsRequest): readonly string[] {
  return isDeltaRequest(request) ? request.resourceNamesSubscribe : request.resourceNames;
}
