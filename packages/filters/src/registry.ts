import { corsDefinition } from './http/cors/config.ts';
import { faultDefinition } from './http/fault/config.ts';
import { rbacDefinition } from './http/rbac/config.ts';
import type { HttpFilterDefinition } from './http-filter.ts';
import type { NetworkFilterDefinition } from './network-filter.ts';

/** Every HTTP filter that Xebec executes, but the router, which is the data plane's own. */
export const httpFilterDefinitions: readonly HttpFilterDefinition[] = [corsDefinition, faultDefinition, rbacDefinition];

/** Every network filter that Xebec executes, but HTTP connection manager and TCP proxy. */
export const networkFilterDefinitions: readonly NetworkFilterDefinition[] = [];
