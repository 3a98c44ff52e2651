import { hash } from 'node:crypto';
import { concatenate, fieldHead, stringField } from './protobuf-frames.ts';

/** A resource encoded once: every proxy that gets the same content is sent these same bytes. */
export interface EncodedResource {
  readonly typeUrl: string;
  readonly name: string;
  /** Hash of type, name and content: equal exactly when the content is equal. */
  readonly version: string;
  /** What stands before `value` in field `resources` of a DiscoveryResponse: the resource in an Any. */
  readonly sotwHead: Uint8Array;
  /** What stands before `value` in field `resources` of a DeltaDiscoveryResponse: version, name and the resource in an Any. */
  readonly deltaHead: Uint8Array;
  /** Bytes of the resource message itself. */
  readonly value: Uint8Array;
}

/**
 * Resources of one type by name: what one proxy, or many with the same view, should have. A Map is one; so is an object that
 * makes resources when they are asked for, as long as the same name keeps giving the same resource.
 */
export interface ResourceMap extends Iterable<readonly [string, EncodedResource]> {
  get(name: string): EncodedResource | undefined;
  has(name: string): boolean;
}

function encodeResource(typeUrl: string, name: string, version: string, value: Uint8Array): EncodedResource {
  // Any: type_url = 1, value = 2, which comes last so that its bytes need not be copied here.
  const anyHead = concatenate([stringField(1, typeUrl), fieldHead(2, value.length)]);
  const anyLength = anyHead.length + value.length;
  // envoy.service.discovery.v3.Resource: version = 1, resource = 2, name = 3.
  const labels = concatenate([stringField(1, version), stringField(3, name), fieldHead(2, anyLength)]);
  return {
    typeUrl,
    name,
    version,
    value,
    sotwHead: concatenate([fieldHead(2, anyLength), anyHead]),
    deltaHead: concatenate([fieldHead(2, labels.length + anyLength), labels, anyHead]),
  };
}

/**
 * Content-addressed store of encoded resources. Asking twice for the same content gives the same object; an entry lives as
 * long as somebody holds the resource.
 */
export class ResourceCache {
  readonly #entries = new Map<string, WeakRef<EncodedResource>>();
  readonly #collected = new FinalizationRegistry<string>((key) => {
    if (this.#entries.get(key)?.deref() === undefined) this.#entries.delete(key);
  });
  #hits = 0;
  #misses = 0;

  intern(typeUrl: string, name: string, value: Uint8Array): EncodedResource {
    const digest = hash('sha256', concatenate([stringField(1, typeUrl), stringField(2, name), value]), 'base64url').slice(0, 22);
    const known = this.#entries.get(digest)?.deref();
    if (known !== undefined) {
      this.#hits++;
      return known;
    }
    this.#misses++;
    const resource = encodeResource(typeUrl, name, digest, value);
    this.#entries.set(digest, new WeakRef(resource));
    this.#collected.register(resource, digest);
    return resource;
  }
  get stats(): { readonly hits: number; readonly misses: number; readonly size: number } {
    return { hits: this.#hits, misses: this.#misses, size: this.#entries.size };
  }
}
