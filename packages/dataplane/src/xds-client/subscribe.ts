import type { Any } from '@bufbuild/protobuf/wkt';
import type { ConfigSource } from '@xebec/protos/envoy/config/core/v3/config_source';

/** Who hears of one named resource. */
export interface ResourceWatcher {
  /** A new version; the returned text is why it cannot be used (it is sent back as NACK and the last good one stays). */
  onResource(resource: Any, version: string): string | undefined;
  /** The server says that it does not exist. */
  onRemoved(): void;
  /** Nothing came within `initial_fetch_timeout`. */
  onTimeout?(): void;
  /** Where the subscription is counted, such as `cluster.NAME` or `http.PREFIX.rds.NAME`; nowhere when absent. */
  readonly statPrefix?: string;
}

/** One change of a whole collection (LDS, CDS). */
export interface CollectionChange {
  readonly changed: readonly { readonly name: string; readonly resource: Any; readonly version: string }[];
  readonly removed: readonly string[];
  /** `changed` is everything there is: names not in it are gone. */
  readonly complete: boolean;
  /** Names that the source has in a form that cannot be used: what is in force of them stays. */
  readonly refused?: readonly string[];
}

export interface CollectionWatcher {
  /** Applies what can be applied; the texts say what could not. */
  onChange(change: CollectionChange): readonly string[];
  /** Nothing came within `initial_fetch_timeout`. */
  onTimeout?(): void;
}

/** Subscribes to one named resource at a source; the returned function ends it. */
export type Subscribe = (source: ConfigSource, typeUrl: string, name: string, watcher: ResourceWatcher) => () => void;
