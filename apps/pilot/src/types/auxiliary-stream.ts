import type { MeshSnapshot } from '@xebec/model';
import {
  AdsStream,
  type EncodedResource,
  type EncodedResponse,
  type ProxyView,
  type RequestResult,
  type ResourceMap,
  type ResourceStatus,
  type TypeStatus,
} from '@xebec/xds';
import { isDeltaRequest, type XdsRequest } from '../xds-request.ts';
import type { Asker, AuxiliaryType } from './auxiliary-type.ts';

const NOTHING: ResourceMap = new Map<string, EncodedResource>();

/** The types of one stream beside CDS, EDS, LDS and RDS. Resources are made for the types that were asked for, and no others. */
export class AuxiliaryStream {
  readonly #types = new Map<string, AuxiliaryType>();
  readonly #asker: Asker;
  readonly #stream: AdsStream;
  readonly #made = new Map<string, { readonly names: ReadonlySet<string>; readonly resources: ResourceMap }>();
  #snapshot: MeshSnapshot;

  constructor(asker: Asker, options: { readonly variant: 'sotw' | 'delta'; readonly noncePrefix: string }, snapshot: MeshSnapshot) {
    this.#asker = asker;
    this.#snapshot = snapshot;
    this.#stream = new AdsStream(options, this.#view());
  }
  onRequest(request: XdsRequest, type: AuxiliaryType): RequestResult {
    this.#types.set(request.typeUrl, type);
    // A request may name more than the last one did.
    this.#made.delete(request.typeUrl);
    return isDeltaRequest(request) ? this.#stream.onDeltaRequest(request) : this.#stream.onSotwRequest(request);
  }
  /** What a new snapshot, or a change outside of it such as a Secret's, brings. */
  update(snapshot: MeshSnapshot): readonly EncodedResponse[] {
    this.#snapshot = snapshot;
    this.#made.clear();
    return this.#stream.update(this.#view());
  }
  /** What the proxy should have of a type it asked for. */
  resources(typeUrl: string): ResourceMap {
    const names = this.#stream.subscribedNames(typeUrl);
    const known = this.#made.get(typeUrl);
    // While a request is read it is asked for what it had before: that must not be taken for what the new names stand for.
    if (known !== undefined && sameSet(known.names, names)) return known.resources;
    const resources = this.#types.get(typeUrl)?.resources(this.#snapshot, this.#asker, names) ?? NOTHING;
    this.#made.set(typeUrl, { names: new Set(names), resources });
    return resources;
  }
  status(): readonly TypeStatus[] {
    return this.#stream.status();
  }
  resourceStatus(typeUrl: string): readonly ResourceStatus[] {
    return this.#stream.resources(typeUrl);
  }
  get answered(): boolean {
    return this.#stream.answered;
  }

  #view(): ProxyView {
    return { version: this.#snapshot.version, resources: (typeUrl) => this.resources(typeUrl) };
  }
}

function sameSet(one: ReadonlySet<string>, other: ReadonlySet<string>): boolean {
  if (one.size !== other.size) return false;
  for (const name of one) if (!other.has(name)) return false;
  return true;
}
