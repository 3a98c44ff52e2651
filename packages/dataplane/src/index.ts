export { parseBootstrap } from './config/bootstrap.ts';
export { requireNodeForSources } from './config/semantics/node.ts';
export { type Dataplane, type DataplaneOptions, startDataplane } from './dataplane.ts';
export type { DataplaneState } from './dataplane-state.ts';
export { type HeldSockets, holdSockets } from './listeners/held-sockets.ts';
