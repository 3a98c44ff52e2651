import { create } from '@bufbuild/protobuf';
import { Client, credentials, Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js';
import { type IstioCertificateRequest, IstioCertificateRequestSchema, IstioCertificateService } from '@xebec/protos/istio/v1/auth/ca';
import { expect, it } from 'vitest';
import { methodDefinition, serviceDefinition } from './service-definition.ts';

it('serves and calls a generated service over a real connection', async () => {
  const server = new Server();
  server.addService(serviceDefinition(IstioCertificateService), {
    CreateCertificate: (call: ServerUnaryCall<IstioCertificateRequest, unknown>, reply: sendUnaryData<unknown>) =>
      reply(null, { $typeName: 'istio.v1.auth.IstioCertificateResponse', certChain: [call.request.csr, 'root'] }),
  });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound))),
  );
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  const method = methodDefinition(IstioCertificateService.method.createCertificate);
  const answer = await new Promise<unknown>((resolve, reject) =>
    client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      create(IstioCertificateRequestSchema, { csr: 'leaf' }),
      (error, value) => (error ? reject(error) : resolve(value)),
    ),
  );
  expect(answer).toMatchObject({ certChain: ['leaf', 'root'] });
  client.close();
  server.forceShutdown();
});
