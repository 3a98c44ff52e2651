import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import type { Any } from '@bufbuild/protobuf/wkt';

/**
 * The name of a resource without decoding it: in every xDS type but one the name is field 1 of type string, and in
 * ClusterLoadAssignment field 1 is `cluster_name`. Looks at every field, so that bytes which are no message throw here, before
 * anything of their response is in force.
 */
export function resourceName(any: Any): string {
  const reader = new BinaryReader(any.value);
  let name = '';
  while (reader.pos < reader.len) {
    const [field, wire] = reader.tag();
    if (field === 1 && wire === WireType.LengthDelimited) name = reader.string();
    else reader.skip(wire, field);
  }
  return name;
}
