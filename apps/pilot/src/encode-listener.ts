import { toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { type Listener, ListenerSchema } from '@xebec/protos/envoy/config/listener/v3/listener';
import { type FilterChain, FilterChainSchema } from '@xebec/protos/envoy/config/listener/v3/listener_components';

/** Number of the field `filter_chains`. */
const FILTER_CHAINS = ListenerSchema.field.filterChains.number;

const chains = new WeakMap<FilterChain, Uint8Array>();

/**
 * The bytes of a listener. Filter chains are the greater part of it, and listeners of many proxies have them in common: each is encoded
 * once. They come last, which is as good as in order (protobuf, "Encoding"), and always so, since equal listeners must have equal bytes.
 */
export function encodeListener(listener: Listener): Uint8Array {
  const rest = toBinary(ListenerSchema, { ...listener, filterChains: [] });
  const writer = new BinaryWriter().raw(rest);
  for (const chain of listener.filterChains) writer.tag(FILTER_CHAINS, WireType.LengthDelimited).bytes(chainBytes(chain));
  return writer.finish();
}

function chainBytes(chain: FilterChain): Uint8Array {
  let bytes = chains.get(chain);
  if (bytes === undefined) {
    bytes = toBinary(FilterChainSchema, chain);
    chains.set(chain, bytes);
  }
  return bytes;
}
