export { Engine, type EngineStats, type Observed } from './engine.ts';
export { attach, type Query, type QueryOptions, query } from './query.ts';
export { sameEntries, sameList } from './sameness.ts';
export { type FieldKind, fact, trackSubject } from './subject.ts';
