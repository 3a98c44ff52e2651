export { type Encodable, methodDefinition, serviceDefinition } from './service-definition.ts';
