import type { DescMessage } from '@bufbuild/protobuf';
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import type { TypedValue, Value, ValueType } from '@xebec/expressions';
import { readMessage } from './read-message.ts';
import { outputType, valueMessageType } from './value-messages.ts';

const NANOS = 1_000_000_000n;

/** What an adapter found out, by the template's output names. As in release 1.4 a scalar that is not sent, being zero, is not known. */
export function decodeOutputs(output: DescMessage, bytes: Uint8Array): Readonly<Record<string, TypedValue>> {
  const message = reflect(output, readMessage(output, bytes));
  const outputs: Record<string, TypedValue> = {};
  for (const field of output.fields) {
    const type = outputType(field);
    if (type === undefined || !message.isSet(field)) continue;
    const content: unknown = message.get(field);
    const wrapped = field.fieldKind === 'message' && valueMessageType(field.message) !== undefined;
    const value = wrapped ? inner(content as ReflectMessage) : content; // as the field's descriptor says
    if (value !== undefined) outputs[field.name] = { type, value: readContent(type, value) };
  }
  return outputs;
}

/** The content of a message of `policy/v1beta1` that holds one value. */
function inner(message: ReflectMessage): unknown {
  const field = message.fields.find(({ number }) => number === 1);
  return field !== undefined && message.isSet(field) ? message.get(field) : undefined;
}

function readContent(type: ValueType, content: unknown): Value {
  switch (type) {
    case 'INT64':
      return BigInt.asIntN(64, BigInt(String(content)));
    case 'TIMESTAMP':
    case 'DURATION': {
      // Timestamp and Duration of google.protobuf: seconds in field 1, nanoseconds in field 2.
      const message = content as ReflectMessage; // as the field's descriptor says
      const [seconds, nanos] = message.fields.map((one) => BigInt(String(message.get(one))));
      return (seconds ?? 0n) * NANOS + (nanos ?? 0n);
    }
    case 'STRING_MAP': {
      const entries = content as Iterable<[unknown, unknown]>; // as the field's descriptor says
      return new Map([...entries].map(([key, text]) => [String(key), String(text)]));
    }
    default:
      return content as Value; // as the field's descriptor says
  }
}
