import { type DescMessage, type DescService, fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf';
import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';
import { isScattered, type ScatteredMessage } from './scattered-message.ts';

/** A message, or its bytes where they were encoded before: the xDS server encodes once and sends many times. */
export type Encodable<D extends DescMessage> = MessageShape<D> | Uint8Array | ScatteredMessage;

function encode<D extends DescMessage>(desc: D): (value: Encodable<D>) => Buffer {
  return (value) => {
    if (!(value instanceof Uint8Array) && isScattered(value)) return Buffer.concat(value.parts, value.byteLength);
    const bytes = value instanceof Uint8Array ? value : toBinary(desc, value);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
}

function decode<D extends DescMessage>(desc: D): (bytes: Buffer) => MessageShape<D> {
  return (bytes) => fromBinary(desc, bytes);
}

/** grpc-js's definition of one method of a generated service. */
export function methodDefinition<I extends DescMessage, O extends DescMessage>(method: {
  parent: DescService;
  name: string;
  methodKind: string;
  input: I;
  output: O;
}): MethodDefinition<Encodable<I>, Encodable<O>> {
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    originalName: method.name,
    requestStream: method.methodKind === 'client_streaming' || method.methodKind === 'bidi_streaming',
    responseStream: method.methodKind === 'server_streaming' || method.methodKind === 'bidi_streaming',
    requestSerialize: encode(method.input),
    requestDeserialize: decode(method.input),
    responseSerialize: encode(method.output),
    responseDeserialize: decode(method.output),
  };
}

/** grpc-js's definition of a generated service, for `Server.addService`; handler names are the RPC names as in the proto. */
export function serviceDefinition(service: DescService): ServiceDefinition {
  return Object.fromEntries(service.methods.map((method) => [method.name, methodDefinition(method)])) as ServiceDefinition;
}
