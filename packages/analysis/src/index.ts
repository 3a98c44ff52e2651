export { type AnalyzeOptions, type Analyzer, analyze, analyzers } from './analyze.ts';
export {
  formatMessage,
  formatSubject,
  type Level,
  levelOf,
  type Message,
  type MessageCode,
  messageTypes,
  type Subject,
} from './message.ts';
export { type RawObject, toRawObject } from './object.ts';
