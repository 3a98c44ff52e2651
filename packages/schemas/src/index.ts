export type { ConfigObject, ObjectMeta, SourceReference } from './object.ts';
