export {
  BUNDLE_PATH,
  type Bundle,
  type BundlePhase,
  HISTORY_GROUP,
  HISTORY_VERSION,
  type Member,
  memberOf,
  readBundle,
  renderBundle,
  VERSION_PATH,
} from './bundle.ts';
export {
  type ContentChange,
  canonical,
  changeKey,
  contentKey,
  contentOf,
  contentOfRaw,
  MAX_PACKED_BYTES,
  manifestOf,
  packChanges,
  type StoredObject,
} from './content.ts';
export { diffChanges, toYaml, unifiedDiff } from './diff.ts';
export { ConfigGate, type GateEvents, type PublishedChange } from './gate.ts';
export { latestContents, planRollback, summarize, versionsBetween } from './timeline.ts';
export { type ConfigVersion, readVersion, renderVersion, versionName } from './version.ts';
