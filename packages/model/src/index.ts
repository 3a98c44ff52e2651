export type { Proxy } from './proxy.ts';
export {
  type Endpoint,
  type EndpointHealth,
  type Locality,
  type Protocol,
  type Resolution,
  type Service,
  type ServicePort,
  serviceKey,
} from './service.ts';
