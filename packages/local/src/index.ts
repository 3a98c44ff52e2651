export { type ApiServerOptions, type RunningApiServer, startApiServer } from './apiserver/start.ts';
export { createImageMap, type ImageMap } from './node/images.ts';
export { KubeClient, KubeError, readKubeconfig } from './node/kube-client.ts';
export { LoopbackNetwork } from './node/loopback-network.ts';
export { NetnsNetwork, probeNetns } from './node/netns-network.ts';
export type { NetworkProvider } from './node/network.ts';
export { NodeAgent, type NodeAgentOptions, upstreamNameServer } from './node/node-agent.ts';
export { applyAll, type ManifestObject, readManifests } from './up/manifests.ts';
export { bringDown, Supervisor, type SupervisorOptions } from './up/supervisor.ts';
