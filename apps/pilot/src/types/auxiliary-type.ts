import type { status } from '@grpc/grpc-js';
import type { MeshProxy, MeshSnapshot } from '@xebec/model';
import type { EncodedResource, ResourceMap } from '@xebec/xds';
import type { Peer } from '../access.ts';

/** Who asks: the node, and what is known of who stands behind it. */
export interface Asker extends Peer {
  readonly proxy: MeshProxy;
}

export interface Refusal {
  readonly code: status.UNAUTHENTICATED | status.PERMISSION_DENIED | status.INVALID_ARGUMENT | status.RESOURCE_EXHAUSTED;
  readonly message: string;
}

/**
 * A resource type beside CDS, EDS, LDS and RDS. It takes no part in make before break: a listener that names such a resource
 * waits for it by itself.
 */
export interface AuxiliaryType {
  /** Why the asker may not have it; undefined: it may. */
  refusal?(snapshot: MeshSnapshot, asker: Asker): Refusal | undefined;
  /** What the asker should have; `names` is what it asked for, empty for all. The same content must give the same resources. */
  resources(snapshot: MeshSnapshot, asker: Asker, names: ReadonlySet<string>): ResourceMap;
}

/** Finds the type of a URL for an asker; undefined for types that are not served to it. */
export type AuxiliaryTypes = (typeUrl: string, asker: Asker) => AuxiliaryType | undefined;

/** Types that are asked like a question: answered once for each request, and never pushed. */
export interface Questions {
  handles(typeUrl: string): boolean;
  answer(typeUrl: string, names: readonly string[], asker: Asker, snapshot: MeshSnapshot): Promise<readonly EncodedResource[] | Refusal>;
}
