/** How a value travels (istio.mixer.v1.CompressedAttributes); an address is bytes on the wire and text here. */
export type AttributeKind = 'string' | 'int64' | 'double' | 'bool' | 'address' | 'bytes' | 'timestamp' | 'duration' | 'stringMap';

/**
 * A value by its kind: text; number or bigint; number; truth; textual address; bytes; milliseconds since the epoch; milliseconds;
 * names and values in turn, as in header lists.
 */
export type AttributeContent = string | number | bigint | boolean | Uint8Array | readonly string[];

/** An attribute of a call of type `C`, read when somebody asks for it. */
export interface Attribute<C> {
  readonly name: string;
  readonly kind: AttributeKind;
  /** Undefined: the call has none, which means something to Mixer. */
  read(call: C): AttributeContent | undefined;
  /** One entry of a map, where that costs less than to read the whole. */
  entry?(call: C, key: string): string | undefined;
  /** What the configuration says of it goes before what the call shows. */
  readonly configurationFirst?: boolean;
}

/** A value that the configuration gives. */
export interface FixedAttribute {
  readonly kind: AttributeKind;
  readonly value: AttributeContent;
}

/** All attributes of the calls of one route: what is read from the call, and what the configuration adds. */
export class AttributeSet<C> {
  readonly attributes: readonly Attribute<C>[];
  readonly #byName: ReadonlyMap<string, Attribute<C>>;

  /** Later maps of `fixed` go before earlier ones. */
  constructor(read: readonly Attribute<C>[], ...fixed: readonly ReadonlyMap<string, FixedAttribute>[]) {
    const given = new Map(fixed.flatMap((map) => [...map]));
    const byName = new Map(read.map((attribute) => [attribute.name, attribute]));
    for (const [name, { kind, value }] of given) {
      const known = byName.get(name);
      const constant = { name, kind, read: () => value };
      byName.set(
        name,
        known === undefined || known.configurationFirst === true || known.kind !== kind ? constant : withDefault(known, value),
      );
    }
    this.#byName = byName;
    this.attributes = [...byName.values()];
  }
  get(name: string): Attribute<C> | undefined {
    return this.#byName.get(name);
  }
}

function withDefault<C>(attribute: Attribute<C>, value: AttributeContent): Attribute<C> {
  const { name, kind } = attribute;
  return { name, kind, read: (call) => attribute.read(call) ?? value };
}

/** The value of one entry in names and values in turn; several of one name are joined by commas. */
export function entryOf(pairs: readonly string[], key: string): string | undefined {
  let found: string | undefined;
  for (let i = 0; i < pairs.length; i += 2) if (pairs[i] === key) found = found === undefined ? pairs[i + 1] : `${found},${pairs[i + 1]}`;
  return found;
}

/** The text of a value, or of one entry of it, for matches and cache keys; undefined when it is not there. */
export function attributeText<C>(attribute: Attribute<C>, call: C, mapKey: string | undefined): string | undefined {
  if (attribute.kind === 'stringMap' && mapKey !== undefined && attribute.entry !== undefined) return attribute.entry(call, mapKey);
  const value = attribute.read(call);
  if (value === undefined || typeof value === 'string') return value;
  if (typeof value !== 'object') return String(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (mapKey !== undefined) return entryOf(value, mapKey);
  // The order of a map means nothing.
  const entries: [string, string][] = [];
  for (let i = 0; i < value.length; i += 2) entries.push([value[i] ?? '', value[i + 1] ?? '']);
  return JSON.stringify(entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
}
