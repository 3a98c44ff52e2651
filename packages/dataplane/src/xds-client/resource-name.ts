import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import type { Any } from '@bufbuild/protobuf/wkt';

/**
 * The name of a resource without decoding it: in every xDS type but one the name is field 1 of type string, and in
 * ClusterLoadAssignment field 1 is `cluster_name`. Empty for bytes that are no message: who
 * decodes them says what is wrong.
 */
export function resourceName(any: Any): string {
  const reader = new BinaryReader(any.value);
  try {
    while (reader.pos < reader.len) {
      const [field, wire] = reader.tag();
      if (field === 1 && wire === WireType.LengthDelimited) return reader.string();
      reader.skip(wire, field);
    }
  } catch {
    return '';
  }
  return '';
}
