import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { type Attributes, AttributesSchema } from '@xebec/protos/istio/mixer/v1/attributes';

export const forwardedHeader = 'x-istio-attributes';

/** What proxies may tell each other (istio/proxy 1.4): who calls, and which service was meant. */
const allowed = [
  'source.uid',
  'source.namespace',
  'destination.service.name',
  'destination.service.uid',
  'destination.service.host',
  'destination.service.namespace',
] as const;

export type ForwardedAttributes = ReadonlyMap<string, string>;

/** More workloads than these call one proxy rarely. */
const maxKnown = 1000;
const maxLength = 4096;

/** Reads `x-istio-attributes`: base64 of istio.mixer.v1.Attributes. Each value once, since a peer always sends the same. */
export class ForwardedReader {
  readonly #known = new Map<string, ForwardedAttributes | undefined>();

  /** Undefined for what cannot be read: anybody may send this header. */
  read(value: string): ForwardedAttributes | undefined {
    const known = this.#known.get(value);
    if (known !== undefined || this.#known.has(value)) return known;
    if (value.length > maxLength) return undefined;
    const attributes = decode(value);
    if (this.#known.size >= maxKnown) this.#known.clear();
    this.#known.set(value, attributes);
    return attributes;
  }
}

function decode(value: string): ForwardedAttributes | undefined {
  try {
    const { attributes } = fromBinary(AttributesSchema, Buffer.from(value, 'base64'));
    const found = new Map<string, string>();
    for (const name of allowed) {
      const attribute = attributes[name]?.value;
      if (attribute?.case === 'stringValue' && attribute.value !== '') found.set(name, attribute.value);
    }
    return found;
  } catch {
    return undefined;
  }
}

/** The header's value; undefined when there is nothing to tell. */
export function encodeForwarded(attributes: Attributes | undefined): string | undefined {
  const entries = Object.entries(attributes?.attributes ?? {}).filter(([name]) => allowed.some((known) => known === name));
  if (entries.length === 0) return undefined;
  return Buffer.from(toBinary(AttributesSchema, create(AttributesSchema, { attributes: Object.fromEntries(entries) }))).toString('base64');
}

/** The namespace that `kubernetes://pod.namespace` names. */
export function namespaceOfUid(uid: string): string | undefined {
  return /^kubernetes:\/\/[^/]+\.([^./]+)$/.exec(uid)?.[1];
}
