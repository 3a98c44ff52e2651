export { generateClusters, ownClusters, sharedClusters } from './cluster/generate-clusters.ts';
export { BLACK_HOLE, inboundCluster, outboundCluster, PASSTHROUGH, parseOutboundCluster } from './cluster/names.ts';
export { generateEndpoints } from './endpoint/generate-endpoints.ts';
export { RULE_METADATA } from './envoy/istio-metadata.ts';
export { ALPN, METADATA_EXCHANGE, MIXER, STATS } from './extensions.ts';
export { edsNames, type GeneratedResources, generateAll } from './generate-all.ts';
export { type ConfigReference, type Generated, referenceTo } from './generated.ts';
export { generateListeners, ownListeners, sharedListeners } from './listener/generate-listeners.ts';
export { generateRoutes, routeNames } from './route/generate-routes.ts';
