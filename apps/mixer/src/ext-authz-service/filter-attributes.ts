import type { Metadata } from '@grpc/grpc-js';

/** gRPC metadata in which pilot has filters say what all their checks have in common: a JSON object of texts and maps of text. */
const ATTRIBUTES_METADATA = 'x-mixer-attributes';
const MAX_CHARS = 16_384;
/** Filters say the same with each check. */
const MAX_KNOWN = 1000;

export type FilterAttributes = ReadonlyMap<string, string | ReadonlyMap<string, string>>;

const NONE: FilterAttributes = new Map();

/** Reads what filters say of themselves; what is not such an object counts as nothing, since every attribute may be missing. */
export class FilterAttributesReader {
  readonly #known = new Map<string, FilterAttributes>();

  read(metadata: Metadata): FilterAttributes {
    const [text] = metadata.get(ATTRIBUTES_METADATA);
    if (typeof text !== 'string' || text.length > MAX_CHARS) return NONE;
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    const attributes = parse(text);
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    this.#known.set(text, attributes);
    return attributes;
  }
}

function parse(text: string): FilterAttributes {
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch {
    return NONE;
  }
  if (!isObject(given)) return NONE;
  const attributes = new Map<string, string | ReadonlyMap<string, string>>();
  for (const [name, value] of Object.entries(given)) {
    if (typeof value === 'string') attributes.set(name, value);
    else if (isObject(value)) {
      attributes.set(name, new Map(Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string')));
    }
  }
  return attributes;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
