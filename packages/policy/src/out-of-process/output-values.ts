import { type DescMessage, fromBinary, type Message } from '@bufbuild/protobuf';
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import type { TypedValue } from '@xebec/expressions';
import { fieldKind } from './value-messages.ts';

const NANOS = 1_000_000_000n;

/** What an adapter found out, by the template's output names. A scalar that is zero counts as known: it cannot be told apart. */
export function decodeOutputs(output: DescMessage, bytes: Uint8Array): Readonly<Record<string, TypedValue>> {
  return outputsOf(output, fromBinary(output, bytes));
}

function outputsOf(output: DescMessage, value: Message): Readonly<Record<string, TypedValue>> {
  const message = reflect(output, value);
  const outputs: Record<string, TypedValue> = {};
  for (const field of output.fields) {
    const kind = fieldKind(field);
    if (field.fieldKind === 'scalar' && kind.kind === 'value' && kind.type !== 'any') {
      const scalar = message.get(field);
      const number = kind.type === 'INT64' ? BigInt(String(scalar)) : scalar;
      outputs[field.name] = { type: kind.type, value: number as TypedValue['value'] }; // the scalar's type says which it is
    } else if (field.fieldKind === 'message' && kind.kind === 'value' && message.isSet(field)) {
      const typed = singleValue(message.get(field), kind.type);
      if (typed !== undefined) outputs[field.name] = typed;
    } else if (field.fieldKind === 'map' && kind.kind === 'map' && kind.type === 'STRING') {
      outputs[field.name] = {
        type: 'STRING_MAP',
        value: new Map([...message.get(field)].map(([key, text]) => [String(key), String(text)])),
      };
    }
  }
  return outputs;
}

/** The content of a message of `policy/v1beta1` that holds one value. */
function singleValue(message: ReflectMessage, type: TypedValue['type'] | 'any'): TypedValue | undefined {
  const field = message.fields.find(({ number }) => number === 1);
  if (type === 'any' || field === undefined || !message.isSet(field)) return undefined;
  const inner: unknown = message.get(field);
  if (type === 'TIMESTAMP' || type === 'DURATION') {
    // Timestamp and Duration of google.protobuf: seconds in field 1, nanoseconds in field 2.
    const content = inner as ReflectMessage; // as the field's descriptor says
    const [seconds, nanos] = content.fields.map((one) => BigInt(String(content.get(one))));
    return { type, value: (seconds ?? 0n) * NANOS + (nanos ?? 0n) };
  }
  if (type === 'STRING_MAP') {
    const entries = inner as Iterable<[unknown, unknown]>; // as the field's descriptor says
    return { type, value: new Map([...entries].map(([key, text]) => [String(key), String(text)])) };
  }
  return { type, value: inner as string | Uint8Array }; // as the field's descriptor says
}
