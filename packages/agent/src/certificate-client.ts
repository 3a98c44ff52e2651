import { create } from '@bufbuild/protobuf';
import { status } from '@grpc/grpc-js';
import { XebecError } from '@xebec/core';
import type { IstioCertificateResponseSchema } from '@xebec/protos/istio/v1/auth/ca';
import { IstioCertificateRequestSchema, type IstioCertificateResponse, IstioCertificateService } from '@xebec/protos/istio/v1/auth/ca';
import { type Encodable, methodDefinition } from '@xebec/rpc';
import { type CaConnection, type CaConnectionOptions, caConnection } from './ca-connection.ts';

export interface CertificateClientOptions extends CaConnectionOptions {
  readonly timeoutMs?: number;
  /** The signer that is to sign, where the CA has several. */
  readonly certSigner?: string;
}

/** Sends one certificate request; resolves to the chain (leaf first, root bundle last). */
export type SignCsr = (csrPem: string, ttlSeconds: number) => Promise<readonly string[]>;

/** Asks a CA over `istio.v1.auth.IstioCertificateService/CreateCertificate`, with a connection of its own. */
export function certificateClient(options: CertificateClientOptions): SignCsr {
  return signOver(caConnection(options), options);
}

/** The same over a connection that others share. The client certificate proves who asks where there is one, else the token. */
export function signOver(
  connection: CaConnection,
  { timeoutMs = 5000, certSigner = '' }: Pick<CertificateClientOptions, 'timeoutMs' | 'certSigner'> = {},
): SignCsr {
  const metadata = certSigner === '' ? undefined : { CertSigner: certSigner };
  const method = methodDefinition(IstioCertificateService.method.createCertificate);
  return async (csr, ttlSeconds) => {
    const call = await connection.open('certificate');
    try {
      const response = await new Promise<Encodable<typeof IstioCertificateResponseSchema> | undefined>((resolve, reject) => {
        call.client.makeUnaryRequest(
          method.path,
          method.requestSerialize,
          method.responseDeserialize,
          create(IstioCertificateRequestSchema, { csr, validityDuration: BigInt(ttlSeconds), ...(metadata && { metadata }) }),
          call.metadata,
          { deadline: Date.now() + timeoutMs },
          (error, value) => (error === null ? resolve(value) : reject(error)),
        );
      });
      // methodDefinition decodes every response to a message; bytes are what servers may send.
      return (response as IstioCertificateResponse).certChain;
    } catch (error) {
      call.release(error instanceof Error && 'code' in error && error.code === status.DEADLINE_EXCEEDED);
      throw new XebecError('E_CA_REQUEST', `the CA at ${connection.address} gave no certificate`, { cause: error });
    } finally {
      call.release();
    }
  };
}
