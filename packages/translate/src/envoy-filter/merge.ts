import { clone, type DescMessage, type Message, type MessageShape } from '@bufbuild/protobuf';
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { type Any, anyPack, anyUnpack, DurationSchema } from '@bufbuild/protobuf/wkt';
import { types } from './values.ts';

/**
 * Merges as protobuf does: what the patch sets comes over what is there, messages field by field, lists appended, map entries
 * replaced. Durations are replaced as a whole, and lists too where the operation says so. Changes `target`.
 */
export function mergeMessage<Desc extends DescMessage>(
  schema: Desc,
  target: MessageShape<Desc>,
  patch: MessageShape<Desc>,
  replaceLists = false,
): void {
  mergeReflected(reflect(schema, target), reflect(schema, clone(schema, patch)), replaceLists);
}

function mergeReflected(target: ReflectMessage, patch: ReflectMessage, replaceLists: boolean): void {
  for (const field of patch.fields) {
    if (!patch.isSet(field)) continue;
    switch (field.fieldKind) {
      case 'list': {
        const list = target.get(field);
        if (replaceLists) list.clear();
        for (const item of patch.get(field)) list.add(item);
        break;
      }
      case 'map': {
        const map = target.get(field);
        for (const [key, value] of patch.get(field)) map.set(key, value);
        break;
      }
      case 'message': {
        const replaced = field.message.typeName === DurationSchema.typeName || !target.isSet(field);
        const value = patch.get(field);
        const present = replaced ? undefined : target.get(field);
        if (present === undefined) target.set(field, value);
        else mergeReflected(present, value, replaceLists);
        // A wrapper is kept as its bare value, so what was merged into it has to be put back.
        if (present !== undefined) target.set(field, present);
        break;
      }
      default:
        target.set(field, patch.get(field));
    }
  }
}

/** Merges packed messages of one type; undefined when they are of different types, or of one that nobody knows. */
export function mergeAny(target: Any, patch: Any): Any | undefined {
  if (target.typeUrl.split('/').pop() !== patch.typeUrl.split('/').pop()) return undefined;
  const registry = types();
  const into: Message | undefined = anyUnpack(target, registry);
  const from: Message | undefined = anyUnpack(patch, registry);
  const schema = into === undefined ? undefined : registry.getMessage(into.$typeName);
  if (into === undefined || from === undefined || schema === undefined) return undefined;
  mergeMessage(schema, into, from);
  return anyPack(schema, into);
}
