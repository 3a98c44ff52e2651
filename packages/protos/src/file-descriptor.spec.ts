import { create, type DescFile, toBinary } from '@bufbuild/protobuf';
import { fileDesc as libraryFileDesc } from '@bufbuild/protobuf/codegenv2';
import { nestedTypes } from '@bufbuild/protobuf/reflect';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { expect, it } from 'vitest';
import { file_envoy_config_cluster_v3_cluster as cluster } from '../gen/envoy/config/cluster/v3/cluster_pb.js';
import { fileDesc } from './file-descriptor.ts';

function encoded(name: string, more: object): string {
  const proto = create(FileDescriptorProtoSchema, { name, package: 't', syntax: 'proto3', ...more });
  return Buffer.from(toBinary(FileDescriptorProtoSchema, proto)).toString('base64');
}

/** Every type with what its fields refer to. */
function seen(file: DescFile): unknown {
  return [...nestedTypes(file)].map((type) => [
    String(type),
    type.kind !== 'message' ? [] : type.fields.map((field) => [field.name, field.fieldKind, field.message?.typeName, field.enum?.typeName]),
  ]);
}

it('describes a file as the library does, with the same objects for what it imports', () => {
  const base64 = Buffer.from(toBinary(FileDescriptorProtoSchema, cluster.proto)).toString('base64');
  const [ours, theirs] = [fileDesc(base64, cluster.dependencies), libraryFileDesc(base64, [...cluster.dependencies])];
  expect(seen(ours)).toEqual(seen(theirs));
  expect(ours.dependencies).toEqual(cluster.dependencies);
  const field = (file: DescFile) => file.messages.find(({ name }) => name === 'Cluster')?.field['transportSocket']?.message;
  expect(field(ours)).toBe(field(theirs));
});

it('finds what an import hands on from further away', () => {
  const far = fileDesc(encoded('far.proto', { messageType: [{ name: 'Far' }] }));
  const near = fileDesc(encoded('near.proto', { dependency: ['far.proto'], publicDependency: [0] }), [far]);
  const fields = [{ name: 'far', number: 1, type: 11, label: 1, typeName: '.t.Far' }];
  const user = fileDesc(encoded('user.proto', { dependency: ['near.proto'], messageType: [{ name: 'User', field: fields }] }), [near]);
  expect(user.messages[0]?.fields[0]?.message).toBe(far.messages[0]);
});
