import { fromBinary } from '@bufbuild/protobuf';
import { type FileDescriptorProto, FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';

/** Folders of the API; a binary holds files of its own and of its libraries too. */
const FOLDERS = /^(envoy|xds|udpa|validate|opentelemetry|cel|io\/prometheus|google\/(api|rpc))\//;
const LONGEST_FIELD_BYTES = 2 ** 21;
/** Fields of FileDescriptorProto by number: those of length, and those of varint kind. `syntax` (12) comes last in proto3. */
const LENGTH_FIELDS = new Set([1, 2, 3, 4, 5, 6, 7, 8, 12, 13]);
const VARINT_FIELDS = new Set([10, 11, 14]);
const SYNTAX = 12;

/**
 * File descriptors that lie in a program as generated C++ code keeps them: serialized, one after another. Envoy's binary has its whole
 * API so, in exactly the version that it runs.
 */
export function embeddedApi(program: Buffer): Map<string, FileDescriptorProto> {
  const found = new Map<string, FileDescriptorProto>();
  for (let dot = program.indexOf('.proto\x12'); dot >= 0; dot = program.indexOf('.proto\x12', dot + 1)) {
    const name = nameEndingAt(program, dot + '.proto'.length);
    if (name === undefined || !FOLDERS.test(name)) continue;
    const start = dot + '.proto'.length - name.length - 2;
    const end = endOfDescriptor(program, start);
    if (end === undefined) continue;
    const file = fromBinary(FileDescriptorProtoSchema, program.subarray(start, end));
    const known = found.get(name);
    if (file.name === name && (known === undefined || known.messageType.length < file.messageType.length)) found.set(name, file);
  }
  return found;
}

/** The name that ends here if its tag and length stand before it. */
function nameEndingAt(program: Buffer, end: number): string | undefined {
  for (let length = 8; length < 128; length++) {
    const at = end - length;
    if (program[at - 1] !== length || program[at - 2] !== 0x0a) continue;
    const name = program.toString('latin1', at, end);
    return /^[\w/.-]+$/.test(name) ? name : undefined;
  }
  return undefined;
}

function endOfDescriptor(program: Buffer, start: number): number | undefined {
  let at = start;
  for (let seen = 0; ; seen++) {
    const tag = varint(program, at);
    const [number, wire] = [tag.value >>> 3, tag.value & 7];
    if (wire === 2 && LENGTH_FIELDS.has(number) && !(number === 1 && seen > 0)) {
      const length = varint(program, tag.end);
      if (length.value > LONGEST_FIELD_BYTES) return undefined;
      at = length.end + length.value;
      if (number === SYNTAX) return at;
    } else if (wire === 0 && VARINT_FIELDS.has(number)) at = varint(program, tag.end).end;
    else return at;
  }
}

function varint(program: Buffer, start: number): { readonly value: number; readonly end: number } {
  let value = 0;
  for (let i = 0; i < 5; i++) {
    const byte = program[start + i] ?? 0;
    value += (byte & 127) * 2 ** (7 * i);
    if (byte < 128) return { value, end: start + i + 1 };
  }
  return { value: Number.POSITIVE_INFINITY, end: start + 5 };
}
