export { type AnalyzeOptions, analyze } from './analyze.ts';
export type { Analyzer } from './analyzer.ts';
export { documentationUrl, formatMessage, levelOf, type Message, originOf, referenceOf, type Subject } from './message.ts';
export { type Level, type MessageCode, type MessageType, messageType, messageTypes } from './message-types.ts';
export { type RawObject, toRawObject } from './object.ts';
export { analyzers } from './registry.ts';
export { toSarif } from './sarif.ts';
export { matchesSuppression, type Suppression } from './suppression.ts';
