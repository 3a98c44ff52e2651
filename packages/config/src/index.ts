export { decodeAny, PLATFORM_KINDS } from './decode.ts';
export { createDirectorySource, type DirectoryOptions } from './directory.ts';
export { createMemorySource, type MemorySource } from './memory.ts';
export { ObjectStore } from './object-store.ts';
export {
  type ConfigChange,
  type ConfigListener,
  type ConfigProblem,
  type ConfigSource,
  type ObjectKey,
  objectKey,
  problemText,
} from './source.ts';
export { lineOfField, readYamlObjects, type YamlObject, type YamlProblem } from './yaml-documents.ts';
