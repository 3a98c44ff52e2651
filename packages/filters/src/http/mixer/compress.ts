import { create } from '@bufbuild/protobuf';
import { type CompressedAttributes, CompressedAttributesSchema, StringMapSchema } from '@xebec/protos/istio/mixer/v1/attributes';
import type { AttributeBag } from './attributes.ts';

/**
 * Encodes attributes with a dictionary of their own: every word has a negative index, so no global dictionary is needed and
 * `global_word_count` is 0.
 */
export function compressAttributes(bag: AttributeBag): CompressedAttributes {
  const compressed = create(CompressedAttributesSchema);
  const indexes = new Map<string, number>();
  const word = (text: string): number => {
    const known = indexes.get(text);
    if (known !== undefined) return known;
    compressed.words.push(text);
    const index = -compressed.words.length;
    indexes.set(text, index);
    return index;
  };
  for (const [name, attribute] of bag) {
    const key = word(name);
    switch (attribute.case) {
      case 'stringValue':
        compressed.strings[key] = word(attribute.value);
        break;
      case 'int64Value':
        compressed.int64s[key] = attribute.value;
        break;
      case 'doubleValue':
        compressed.doubles[key] = attribute.value;
        break;
      case 'boolValue':
        compressed.bools[key] = attribute.value;
        break;
      case 'bytesValue':
        compressed.bytes[key] = attribute.value;
        break;
      case 'timestampValue':
        compressed.timestamps[key] = attribute.value;
        break;
      case 'durationValue':
        compressed.durations[key] = attribute.value;
        break;
      case 'stringMapValue': {
        const map = create(StringMapSchema);
        for (const [entry, value] of Object.entries(attribute.value.entries)) map.entries[word(entry)] = word(value);
        compressed.stringMaps[key] = map;
        break;
      }
    }
  }
  return compressed;
}
