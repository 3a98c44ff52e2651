import { type Engine, fieldsOfSubject, registerSubject } from './engine.ts';

/**
 * How much of a field counts as read: `whole`, all of it; `by-key`, for objects, the keys that were asked for; `by-member`, for sets and
 * arrays, whether they have the members that were asked about. Going through all keys or members reads the whole.
 */
export type FieldKind = 'whole' | 'by-key' | 'by-member';

/** The fields of one tracked object, by the paths under which reads of them are noted. */
export class Subject {
  readonly raw: object;
  readonly engine: Engine;
  readonly #texts = new Map<string, string>();
  readonly #keys = new WeakMap<object, string>();

  constructor(engine: Engine, raw: object) {
    this.engine = engine;
    this.raw = raw;
  }
  /** What sets this subject apart from others as far as these paths go. `paths` must be one and the same array each time. */
  keyOf(paths: readonly string[]): string {
    let key = this.#keys.get(paths);
    if (key === undefined) {
      key = paths.map((path) => this.#text(path)).join('\u0000');
      this.#keys.set(paths, key);
    }
    return key;
  }
  #text(path: string): string {
    let text = this.#texts.get(path);
    if (text === undefined) {
      text = textOf(this.#read(path));
      this.#texts.set(path, text);
    }
    return text;
  }
  #read(path: string): unknown {
    if (path.startsWith('!')) return this.engine.factNamed(path.slice(1))?.(this.raw);
    const [field = '', operation, rest] = splitPath(path);
    const value: unknown = Reflect.get(this.raw, field);
    if (operation === '.') return typeof value === 'object' && value !== null ? Reflect.get(value, rest) : undefined;
    if (operation === '@') return Array.isArray(value) ? value.indexOf(rest) : -1;
    if (operation === '?') return value instanceof Set ? value.has(rest) : Array.isArray(value) && value.includes(rest);
    return value;
  }
}

/** `field`, `field.key`, `field?member` or, for the place of a member, `field@member`. Names of fields are identifiers. */
function splitPath(path: string): [field: string, operation: string, rest: string] {
  const at = path.search(/[.?@]/);
  return at < 0 ? [path, '', ''] : [path.slice(0, at), path.charAt(at), path.slice(at + 1)];
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return `"${value}`;
  if (value === undefined) return '';
  return JSON.stringify(value instanceof Set ? [...value].sort() : value);
}

/**
 * An object that is read as the given one, and notes what is read of it. Both must not change. Where `kinds` says nothing a field counts as
 * a whole. Members of `by-member` fields are strings.
 */
export function trackSubject<T extends object>(engine: Engine, raw: T, kinds: Readonly<Partial<Record<keyof T, FieldKind>>>): T {
  const subject = new Subject(engine, raw);
  const parts = new Map<string, unknown>();
  const part = (field: string, value: unknown): unknown => {
    const kind = Object.hasOwn(kinds, field) ? Reflect.get(kinds, field) : 'whole';
    if (kind === 'whole' || typeof value !== 'object' || value === null) {
      engine.notePath(subject, field);
      return value;
    }
    let made = parts.get(field);
    if (made === undefined) {
      made = kind === 'by-key' ? byKey(engine, subject, field, value) : byMember(engine, subject, field, value);
      parts.set(field, made);
    }
    return made;
  };
  const tracked = new Proxy(raw, {
    get: (target, field) => (typeof field === 'string' ? part(field, Reflect.get(target, field)) : Reflect.get(target, field)),
  });
  registerSubject(tracked, subject);
  return tracked;
}

function byKey(engine: Engine, subject: Subject, field: string, value: object): object {
  const all = () => engine.notePath(subject, field);
  return new Proxy(value, {
    get: (target, key) => {
      if (typeof key === 'string') engine.notePath(subject, `${field}.${key}`);
      return Reflect.get(target, key);
    },
    has: (target, key) => {
      if (typeof key === 'string') engine.notePath(subject, `${field}.${key}`);
      return Reflect.has(target, key);
    },
    ownKeys: (target) => {
      all();
      return Reflect.ownKeys(target);
    },
    getOwnPropertyDescriptor: (target, key) => {
      if (typeof key === 'string') engine.notePath(subject, `${field}.${key}`);
      return Reflect.getOwnPropertyDescriptor(target, key);
    },
  });
}

/** `has` of sets, `includes` and `indexOf` of arrays note the member; everything else the whole. */
function byMember(engine: Engine, subject: Subject, field: string, value: object): object {
  const asked = (member: unknown) => engine.notePath(subject, typeof member === 'string' ? `${field}?${member}` : field);
  if (value instanceof Set) {
    const has = (member: unknown) => {
      asked(member);
      return value.has(member);
    };
    return new Proxy(value, {
      get: (target, key) => {
        if (key === 'has') return has;
        engine.notePath(subject, field);
        const found: unknown = Reflect.get(target, key, target);
        return typeof found === 'function' ? found.bind(target) : found;
      },
    });
  }
  const includes = (member: unknown) => {
    asked(member);
    return Array.isArray(value) && value.includes(member);
  };
  const indexOf = (member: unknown) => {
    engine.notePath(subject, typeof member === 'string' ? `${field}@${member}` : field);
    return Array.isArray(value) ? value.indexOf(member) : -1;
  };
  return new Proxy(value, {
    get: (target, key) => {
      if (key === 'includes') return includes;
      if (key === 'indexOf') return indexOf;
      engine.notePath(subject, field);
      return Reflect.get(target, key);
    },
  });
}

/**
 * Turns a pure function of an object into one that counts as a single field of it: who asks whether a proxy has an IPv6 address depends on
 * the answer, and not on the addresses. Names of facts must differ. `read` is given the object itself.
 */
export function fact<S extends object, T>(name: string, read: (subject: S) => T): (subject: S) => T {
  // The engine hands over what stands behind a tracked S, which is an S.
  const compute = (raw: object) => read(raw as S);
  return (subject) => {
    const fields = fieldsOfSubject(subject);
    // The engine gives back what `compute` gave.
    return fields === undefined ? read(subject) : (fields.engine.noteFact(fields, name, compute) as T);
  };
}
