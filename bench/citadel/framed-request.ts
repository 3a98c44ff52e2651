import { create, toBinary } from '@bufbuild/protobuf';
import { IstioCertificateRequestSchema } from '@xebec/protos/istio/v1/auth/ca';

/** A gRPC message (five bytes of head, then protobuf) that asks for a certificate. */
export function framedRequest(csr: string): Buffer {
  const message = toBinary(IstioCertificateRequestSchema, create(IstioCertificateRequestSchema, { csr }));
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}
