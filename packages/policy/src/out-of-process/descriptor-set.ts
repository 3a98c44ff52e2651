import { createFileRegistry, type DescFile, type FileRegistry, fromBinary } from '@bufbuild/protobuf';
import { protoCamelCase } from '@bufbuild/protobuf/reflect';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { err, errorText, ok, type Result } from '@xebec/core';

/** What release 1.4's tools made, with all comments, is about 100 KiB. */
const MAX_BASE64_LENGTH = 1_400_000;
const MAX_FILES = 200;
const MAX_DECLARATIONS = 10_000;

export interface DescriptorSet {
  /** In the order of the set: imports come before what imports them. */
  readonly files: readonly DescFile[];
  readonly registry: FileRegistry;
}

/** Reads a base64 FileDescriptorSet that came with a configuration object; fails with one line. */
export function decodeDescriptorSet(base64: string): Result<DescriptorSet, string> {
  if (base64.length > MAX_BASE64_LENGTH)
    return err(`is ${base64.length} characters long; at most ${MAX_BASE64_LENGTH} are read: leave out --include_source_info`);
  const text = base64.replaceAll(/\s/g, '');
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(text)) return err('is not base64');
  try {
    const set = fromBinary(FileDescriptorSetSchema, Buffer.from(text, 'base64'));
    if (set.file.length === 0) return err('is no FileDescriptorSet that holds files: make it with protoc --descriptor_set_out');
    if (set.file.length > MAX_FILES) return err(`holds ${set.file.length} files; at most ${MAX_FILES} are read`);
    let declarations = 0;
    for (const file of set.file) {
      file.sourceCodeInfo = undefined;
      const messages = [...file.messageType];
      for (let message = messages.pop(); message !== undefined; message = messages.pop()) {
        declarations += message.field.length + 1;
        // Compilers write JSON names, tools that make descriptors otherwise may not.
        for (const field of message.field) if (field.jsonName === '') field.jsonName = protoCamelCase(field.name);
        messages.push(...message.nestedType);
      }
    }
    if (declarations > MAX_DECLARATIONS) return err(`declares ${declarations} messages and fields; at most ${MAX_DECLARATIONS} are read`);
    const names = new Set(set.file.map(({ name }) => name));
    for (const { name, dependency } of set.file) {
      const missing = dependency.find((needed) => !names.has(needed));
      if (missing !== undefined) return err(`file ${name} imports ${missing}, which is not in the set: run protoc with --include_imports`);
    }
    const registry = createFileRegistry(set);
    return ok({ files: set.file.flatMap(({ name }) => registry.getFile(name) ?? []), registry });
  } catch (error) {
    return err(`is no usable FileDescriptorSet: ${errorText(error)}`);
  }
}
