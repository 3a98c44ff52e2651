import { createRequire } from 'node:module';
import type { Registry } from '@bufbuild/protobuf';

let registry: Registry | undefined;

/** All message types, for protobuf JSON with Anys. Loaded on first use: it costs 0.2 s of CPU. */
export function protoRegistry(): Registry {
  if (registry === undefined) {
    const load = createRequire(import.meta.url);
    const loaded: { createProtoRegistry(): Registry } = load('@xebec/protos/registry');
    registry = loaded.createProtoRegistry();
  }
  return registry;
}
