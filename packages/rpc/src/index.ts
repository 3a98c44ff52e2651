export { giveBack } from './gathering-decoder.ts';
export { type ScatteredMessage, scatteredMessages } from './scattered-message.ts';
export { type Encodable, methodDefinition, serviceDefinition } from './service-definition.ts';
