import { createRegistry, type Registry } from '@bufbuild/protobuf';
import { files } from '../gen/all.js';

/**
 * A registry of every message Xebec has generated code for: what protobuf JSON of `google.protobuf.Any` needs.
 * Building it costs about 0.2 s of CPU, so make it once per process and only where JSON is read or written.
 */
export function createProtoRegistry(): Registry {
  return createRegistry(...files);
}
