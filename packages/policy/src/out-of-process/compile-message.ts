import { type DescEnum, type DescField, type DescMessage, isFieldSet, ScalarType } from '@bufbuild/protobuf';
import { type BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { FieldOptionsSchema } from '@bufbuild/protobuf/wkt';
import { nearest, ok, type Result, type Violation } from '@xebec/core';
import type { AttributeBag, CompiledExpression, ReferenceTracker, TypedValue, ValueType } from '@xebec/expressions';
import type { InferredTypes } from './inferred-types.ts';
import { enumNumber, quotedText, scalarLiteral, valueLiteral } from './literals.ts';
import { NAME_FIELD } from './template-service.ts';
import { scalarValueType, valueMessageType } from './value-messages.ts';
import { SCALARS, scalarWriter, valueWriter, type WriteValue } from './value-writers.ts';

const MAX_DEPTH = 32;

/** Writes what it was compiled of; fails with one line when an expression has no value, and the writer is then of no use. */
export type WritePart = (writer: BinaryWriter, bag: AttributeBag, tracker?: ReferenceTracker) => string | undefined;

export interface CompiledMessage {
  readonly write: WritePart;
  readonly inferred: InferredTypes;
}

export interface MessageScope {
  /** Undefined: what is wrong was noted. */
  readonly compile: (path: string, text: string, type?: ValueType) => CompiledExpression | undefined;
  readonly violation: (violation: Violation) => void;
}

interface Part {
  readonly write: WritePart;
  readonly inferred?: ValueType | InferredTypes;
}

type Element = { readonly scalar: ScalarType } | { readonly enum: DescEnum } | { readonly message: DescMessage };

/**
 * Compiles what an instance says of a message, by the message's descriptor and as release 1.4 did: text is an expression unless it is
 * quoted, other scalars are constants, and fields have their own name or that of protobuf's JSON. What it refused is refused here:
 * bytes, groups, and lists of numbers that are declared unpacked.
 */
export function compileMessage(
  message: DescMessage,
  params: Readonly<Record<string, unknown>>,
  path: string,
  scope: MessageScope,
): CompiledMessage {
  return new MessageCompiler(scope).message(message, params, path, 0);
}

class MessageCompiler {
  readonly #scope: MessageScope;

  constructor(scope: MessageScope) {
    this.#scope = scope;
  }

  message(message: DescMessage, params: Readonly<Record<string, unknown>>, path: string, depth: number): CompiledMessage {
    const parts: { readonly number: number; readonly write: WritePart }[] = [];
    const inferred = new Map<string, ValueType | InferredTypes>();
    for (const [written, value] of Object.entries(params)) {
      const at = `${path}.${written}`;
      const field = message.fields.find(({ name, jsonName }) => name === written || jsonName === written);
      if (field === undefined) this.#unknown(message, at, written);
      // Mixer sets the instance's name itself.
      else if (depth > 0 || field.number !== NAME_FIELD) {
        const part = this.#field(field, value, at, depth);
        if (part === undefined) continue;
        parts.push({ number: field.number, write: part.write });
        if (part.inferred !== undefined) inferred.set(field.name, part.inferred);
      }
    }
    const writes = parts.sort((a, b) => a.number - b.number).map(({ write }) => write);
    return { write: sequence(writes), inferred };
  }

  #field(field: DescField, value: unknown, path: string, depth: number): Part | undefined {
    const { number } = field;
    switch (field.fieldKind) {
      case 'scalar':
        return this.#element({ scalar: field.scalar }, value, path, number, depth);
      case 'enum':
        return this.#element({ enum: field.enum }, value, path, number, depth);
      case 'message':
        if (field.delimitedEncoding) return this.#refuse(path, 'is a group, which no instance can set');
        return this.#element({ message: field.message }, value, path, number, depth);
      case 'map': {
        if (typeof value === 'string' && field.mapKind === 'scalar') return this.#wholeMap(field, value, path);
        if (!isRecord(value)) return this.#refuse(path, 'must be a map');
        const element =
          field.mapKind === 'scalar'
            ? { scalar: field.scalar }
            : field.mapKind === 'enum'
              ? { enum: field.enum }
              : { message: field.message };
        const parts = Object.entries(value).map(([key, content]) =>
          this.#entry(number, field.mapKey, key, element, content, `${path}.${key}`, depth),
        );
        const inferred = Object.keys(value).flatMap((key, i): [string, ValueType | InferredTypes][] => {
          const type = parts[i]?.inferred;
          return type === undefined ? [] : [[key, type]];
        });
        return {
          write: sequence(parts.flatMap((part) => part?.write ?? [])),
          ...(inferred.length === 0 ? {} : { inferred: new Map(inferred) }),
        };
      }
      case 'list': {
        if (field.listKind === 'message' && field.delimitedEncoding)
          return this.#refuse(path, 'is a list of groups, which no instance can set');
        if (field.listKind === 'message' || (field.listKind === 'scalar' && !isPackable(field.scalar))) {
          if (!Array.isArray(value)) return this.#refuse(path, 'must be a list');
          const element = field.listKind === 'message' ? { message: field.message } : { scalar: field.scalar };
          const parts = value.map((one: unknown, i) => this.#element(element, one, `${path}[${i}]`, number, depth));
          return { write: sequence(parts.flatMap((part) => part?.write ?? [])) };
        }
        if (isUnpacked(field)) return this.#refuse(path, 'is a list that is declared [packed = false], which no instance can set');
        const element = field.listKind === 'enum' ? { enum: field.enum } : { scalar: field.scalar };
        // One that stands alone is a list of one.
        const values: readonly unknown[] = Array.isArray(value) ? value : [value];
        return this.#packed(number, element, values, path);
      }
    }
  }

  #element(element: Element, value: unknown, path: string, number: number, depth: number): Part | undefined {
    if ('message' in element) return this.#submessage(element.message, value, path, number, depth);
    const source = this.#source(element, value, path);
    if (source === undefined) return undefined;
    const write = scalarWriter('enum' in element ? ScalarType.INT32 : element.scalar);
    return { write: written(source, path, (writer, typed) => write(writer, number, typed)) };
  }

  /** A scalar's constant or expression; undefined when what is wrong was noted. */
  #source(element: Exclude<Element, { message: DescMessage }>, value: unknown, path: string): Source | undefined {
    const literal = quotedText(value);
    const isExpression = typeof value === 'string' && literal === undefined;
    if ('enum' in element) {
      if (!isExpression) return this.#constant(asInt64(enumNumber(element.enum, literal ?? value)), path);
      const expression = this.#scope.compile(path, value);
      if (expression === undefined) return undefined;
      if (expression.type !== 'INT64' && expression.type !== 'STRING')
        return this.#refuse(path, `the expression is of type ${expression.type}; an enumerator is INT64 or STRING`);
      return { expression, convert: (typed) => asInt64(enumNumber(element.enum, typed.value)) };
    }
    const type = scalarValueType(element.scalar);
    if (type === undefined) return this.#refuse(path, 'is of type bytes, which no expression makes');
    if (!isExpression) return this.#constant(scalarLiteral(element.scalar, literal ?? value), path);
    const expression = this.#scope.compile(path, value, type);
    return expression === undefined ? undefined : { expression };
  }

  #submessage(message: DescMessage, value: unknown, path: string, number: number, depth: number): Part | undefined {
    const type = valueMessageType(message);
    if (type !== undefined && !(type === 'STRING_MAP' && isRecord(value))) return this.#value(message, type, value, path, number);
    if (!isRecord(value)) return this.#refuse(path, `must be an object with the fields of ${message.typeName}`);
    if (depth >= MAX_DEPTH) return this.#refuse(path, `lies deeper than ${MAX_DEPTH} messages`);
    const { write, inferred } = this.message(message, value, path, depth + 1);
    return { write: delimited(number, write), ...(inferred.size === 0 ? {} : { inferred }) };
  }

  #value(message: DescMessage, type: ValueType | 'any', value: unknown, path: string, number: number): Part | undefined {
    const literal = quotedText(value);
    const write: WriteValue = valueWriter(message);
    const part = (source: Source, of: ValueType): Part => ({
      write: written(source, path, (writer, typed) => write(writer, number, typed)),
      ...(type === 'any' ? { inferred: of } : {}),
    });
    if (typeof value === 'string' && literal === undefined) {
      const expression = this.#scope.compile(path, value, type === 'any' ? undefined : type);
      return expression === undefined ? undefined : part({ expression }, expression.type);
    }
    const source = this.#constant(valueLiteral(type, literal ?? value), path);
    return source === undefined ? undefined : part(source, source.constant.type);
  }

  #entry(
    number: number,
    keyType: ScalarType,
    key: string,
    element: Element,
    value: unknown,
    path: string,
    depth: number,
  ): Part | undefined {
    const name = this.#constant(scalarLiteral(keyType, key), path);
    const part = this.#element(element, value, path, 2, depth);
    if (name === undefined || part === undefined) return undefined;
    const writeKey = scalarWriter(keyType);
    const write = delimited(number, (writer, bag, tracker) => {
      writeKey(writer, 1, name.constant);
      return part.write(writer, bag, tracker);
    });
    return { ...part, write };
  }

  /** Release 1.4 took maps entry by entry only; a map of text may also be one expression. */
  #wholeMap(field: DescField & { readonly fieldKind: 'map' }, text: string, path: string): Part | undefined {
    if (field.mapKey !== ScalarType.STRING || field.scalar !== ScalarType.STRING) return this.#refuse(path, 'must be a map');
    const expression = this.#scope.compile(path, text, 'STRING_MAP');
    if (expression === undefined) return undefined;
    const write = scalarWriter(ScalarType.STRING);
    return {
      write: written({ expression }, path, (writer, { value }) => {
        for (const [key, entry] of value instanceof Map ? value : []) {
          writer.tag(field.number, WireType.LengthDelimited).fork();
          write(writer, 1, { type: 'STRING', value: key });
          write(writer, 2, { type: 'STRING', value: entry });
          writer.join();
        }
      }),
    };
  }

  #packed(number: number, element: Exclude<Element, { message: DescMessage }>, values: readonly unknown[], path: string): Part {
    const [, write] = SCALARS['enum' in element || element.scalar === ScalarType.BYTES ? ScalarType.INT32 : element.scalar];
    const parts = values.flatMap((value, i) => {
      const at = `${path}[${i}]`;
      const source = this.#source(element, value, at);
      return source === undefined ? [] : [written(source, at, write)];
    });
    return { write: delimited(number, sequence(parts)) };
  }

  #constant(literal: Result<TypedValue, string>, path: string): { readonly constant: TypedValue } | undefined {
    return literal.ok ? { constant: literal.value } : this.#refuse(path, literal.error);
  }

  #unknown(message: DescMessage, path: string, written: string): void {
    const suggestion = nearest(
      written,
      message.fields.filter(({ number }) => number !== NAME_FIELD).map(({ name }) => name),
    );
    const hint = suggestion === undefined ? '' : `; did you mean "${suggestion}"?`;
    this.#scope.violation({
      path,
      message: `message ${message.typeName} has no field "${written}"${hint}`,
      ...(suggestion === undefined ? {} : { suggestion }),
    });
  }

  #refuse(path: string, message: string): undefined {
    this.#scope.violation({ path, message });
  }
}

type Source =
  | { readonly constant: TypedValue }
  | { readonly expression: CompiledExpression; readonly convert?: (typed: TypedValue) => Result<TypedValue, string> };

function written(source: Source, path: string, write: (writer: BinaryWriter, value: TypedValue) => unknown): WritePart {
  if ('constant' in source) {
    return (writer) => {
      write(writer, source.constant);
      return undefined;
    };
  }
  const { expression, convert } = source;
  const field = path.replace(/^spec\.params\./, '');
  return (writer, bag, tracker) => {
    const result = expression.evaluate(bag, tracker);
    if (!result.ok) return `${field}: ${result.error.message}`;
    const typed = { type: expression.type, value: result.value };
    const converted = convert === undefined ? ok(typed) : convert(typed);
    if (!converted.ok) return `${field}: ${converted.error}`;
    write(writer, converted.value);
    return undefined;
  };
}

function sequence(writes: readonly WritePart[]): WritePart {
  return (writer, bag, tracker) => {
    for (const write of writes) {
      const failure = write(writer, bag, tracker);
      if (failure !== undefined) return failure;
    }
    return undefined;
  };
}

function delimited(number: number, write: WritePart): WritePart {
  return (writer, bag, tracker) => {
    writer.tag(number, WireType.LengthDelimited).fork();
    const failure = write(writer, bag, tracker);
    writer.join();
    return failure;
  };
}

/** Declared so: release 1.4 packed all others, also those of proto2. */
const isUnpacked = ({ proto: { options } }: DescField): boolean =>
  options !== undefined && isFieldSet(options, FieldOptionsSchema.field.packed) && !options.packed;

const isPackable = (scalar: ScalarType): boolean => scalar !== ScalarType.STRING && scalar !== ScalarType.BYTES;

const asInt64 = (number: Result<bigint, string>): Result<TypedValue, string> =>
  number.ok ? ok({ type: 'INT64', value: number.value }) : number;

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
