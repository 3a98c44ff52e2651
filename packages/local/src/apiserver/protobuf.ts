import { readFileSync } from 'node:fs';
import { isObject, type Json, type JsonObject, timestamp } from './object.ts';
import { badRequest } from './status.ts';

/** By message name, by field number: the field's JSON name and type (`[` before it: repeated, `{`: map of strings to it). */
type Messages = Readonly<Record<string, Readonly<Record<string, readonly [name: string, type: string]>>>>;

const MAGIC = Buffer.from('k8s\0');
const MAX_DEPTH = 64;
/** Messages that Kubernetes' JSON writes into the parent: the Go structs embed them. */
const INLINE = new Set([
  'volumeSource',
  'persistentVolumeSource',
  'handler',
  'localObjectReference',
  'ephemeralContainerCommon',
  'ingressRuleValue',
]);

/** Fields that Go writes even when they are zero, and Kubernetes' JSON leaves out then. */
const OMIT_ZERO = new Set([
  'generation',
  'hostIPC',
  'hostNetwork',
  'hostPID',
  'initialDelaySeconds',
  'minReadySeconds',
  'nodePort',
  'paused',
  'publishNotReadyAddresses',
  'readOnly',
  'stdin',
  'stdinOnce',
  'tty',
  'hostPort',
  'optional',
]);

let table: Messages | undefined;

function messages(): Messages {
  // Written by generate-protobuf-fields.ts with exactly this shape; read when the first such body comes.
  table ??= JSON.parse(readFileSync(new URL('./gen/protobuf-fields.json', import.meta.url), 'utf8')) as Messages;
  return table;
}

interface Field {
  readonly number: number;
  /** A varint as a signed 64-bit number, or the bytes. */
  readonly value: bigint | Buffer;
}

function* fieldsOf(bytes: Buffer): Generator<Field> {
  let at = 0;
  const varint = (): bigint => {
    let result = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined) break;
      result |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return result;
    }
    throw badRequest('the protobuf body is cut off or has a bad varint');
  };
  while (at < bytes.length) {
    const tag = Number(varint() & 0xffffffffn);
    const wire = tag & 7;
    const number = tag >>> 3;
    if (wire === 0) yield { number, value: BigInt.asIntN(64, varint()) };
    else if (wire === 1 || wire === 2 || wire === 5) {
      const size = wire === 2 ? Number(varint()) : wire === 1 ? 8 : 4;
      if (size > bytes.length - at) throw badRequest('the protobuf body is cut off');
      yield { number, value: bytes.subarray(at, at + size) };
      at += size;
    } else throw badRequest(`the protobuf body has a field of unknown wire type ${wire}`);
  }
}

function textOf(value: bigint | Buffer): string {
  return typeof value === 'bigint' ? String(value) : value.toString('utf8');
}

function decodeMessage(type: string, bytes: Buffer, depth: number): JsonObject {
  if (depth > MAX_DEPTH) throw badRequest('the protobuf body is nested too deeply');
  const fields = messages()[type];
  if (fields === undefined) throw badRequest(`the server cannot decode protobuf of type ${type}: send JSON`);
  const result: JsonObject = {};
  for (const { number, value } of fieldsOf(bytes)) {
    const field = fields[number];
    if (field === undefined) continue;
    const [name, declared] = field;
    if (declared.startsWith('[')) {
      const list = result[name];
      const item = decodeValue(declared.slice(1), value, depth);
      if (Array.isArray(list)) list.push(item);
      else result[name] = [item];
    } else if (declared.startsWith('{') && Buffer.isBuffer(value)) {
      const entry = [...fieldsOf(value)];
      const key = entry.find((part) => part.number === 1)?.value ?? Buffer.alloc(0);
      const item = entry.find((part) => part.number === 2)?.value ?? Buffer.alloc(0);
      const existing = result[name];
      const map: JsonObject = isObject(existing) ? existing : {};
      result[name] = { ...map, [textOf(key)]: decodeValue(declared.slice(1), item, depth) };
    } else if (INLINE.has(name) && messages()[declared] !== undefined && Buffer.isBuffer(value)) {
      Object.assign(result, decodeMessage(declared, value, depth + 1));
    } else {
      const decoded = decodeValue(declared, value, depth);
      // Go leaves nothing out: empty strings and zero times are absent fields.
      if (decoded !== '' && decoded !== null && !(OMIT_ZERO.has(name) && (decoded === 0 || decoded === false))) result[name] = decoded;
    }
  }
  return result;
}

function decodeValue(type: string, value: bigint | Buffer, depth: number): Json {
  switch (type) {
    case 'string':
      return textOf(value);
    case 'bool':
      return value !== 0n;
    case 'bytes':
      return Buffer.isBuffer(value) ? value.toString('base64') : '';
    case 'int32':
    case 'int64':
    case 'uint32':
    case 'uint64':
      return Number(value);
    case 'double':
      return Buffer.isBuffer(value) && value.length === 8 ? value.readDoubleLE() : 0;
  }
  if (!Buffer.isBuffer(value)) throw badRequest(`the protobuf body has a number where a ${type} belongs`);
  const parts = [...fieldsOf(value)];
  const part = (number: number) => parts.find((item) => item.number === number)?.value;
  switch (type.split('.').at(-1)) {
    case 'Time':
    case 'MicroTime': {
      const seconds = part(1);
      return typeof seconds === 'bigint' ? timestamp(Number(seconds) * 1000) : null;
    }
    case 'Quantity':
      return textOf(part(1) ?? Buffer.alloc(0));
    case 'IntOrString':
      return part(1) === 1n ? textOf(part(3) ?? Buffer.alloc(0)) : Number(part(2) ?? 0n);
    case 'ExtraValue':
      return parts.map((item) => textOf(item.value));
    case 'FieldsV1':
    case 'RawExtension': {
      const raw: unknown = JSON.parse(textOf(part(1) ?? Buffer.from('{}')));
      return isObject(raw) ? raw : {};
    }
    default:
      return decodeMessage(type, value, depth + 1);
  }
}

/**
 * Decodes a body in Kubernetes' protobuf envelope (`k8s\0`, then runtime.Unknown), which kubectl's typed commands such as
 * `create` send: https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding
 */
export function decodeProtobuf(body: Buffer): JsonObject {
  if (!body.subarray(0, 4).equals(MAGIC)) throw badRequest('the protobuf body does not start with the Kubernetes prefix');
  let apiVersion = '';
  let kind = '';
  let raw: Buffer = Buffer.alloc(0);
  for (const { number, value } of fieldsOf(body.subarray(4))) {
    if (number === 1 && Buffer.isBuffer(value)) {
      for (const part of fieldsOf(value)) {
        if (part.number === 1) apiVersion = textOf(part.value);
        if (part.number === 2) kind = textOf(part.value);
      }
    } else if (number === 2 && Buffer.isBuffer(value)) raw = value;
  }
  const [group = '', version = ''] = apiVersion.includes('/') ? apiVersion.split('/') : ['core', apiVersion];
  const type = kind === 'DeleteOptions' ? 'meta.DeleteOptions' : `${group.split('.')[0]}.${version}.${kind}`;
  return { apiVersion, kind, ...decodeMessage(type, raw, 0) };
}
