import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { create } from '@bufbuild/protobuf';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { errorText, XebecError } from '@xebec/core';
import type { IstioCertificateResponseSchema } from '@xebec/protos/istio/v1/auth/ca';
import { IstioCertificateRequestSchema, type IstioCertificateResponse, IstioCertificateService } from '@xebec/protos/istio/v1/auth/ca';
import { type Encodable, methodDefinition } from '@xebec/rpc';

export interface CertificateClientOptions {
  /** `istio-citadel.istio-system.svc:8060`. */
  readonly caAddress: string;
  /** The service-account token; read anew for each request, because the kubelet rotates it. */
  readonly tokenFile: string;
  /** PEM roots by which the CA's server certificate is judged; read anew for each request. */
  readonly rootFile: string;
  /** Name that the CA's certificate must carry where the address does not say it, such as an IP address. */
  readonly serverName?: string;
  /** Sent as `clusterid`. */
  readonly clusterId?: string;
  readonly timeoutMs?: number;
}

/** Sends one certificate request; resolves to the chain (leaf first, root bundle last). */
export type SignCsr = (csrPem: string, ttlSeconds: number) => Promise<readonly string[]>;

/** Asks a CA over `istio.v1.auth.IstioCertificateService/CreateCertificate` with the token as bearer. */
export function certificateClient(options: CertificateClientOptions): SignCsr {
  const method = methodDefinition(IstioCertificateService.method.createCertificate);
  return async (csr, ttlSeconds) => {
    const root = await readFileOr('E_CA_ROOT_FILE', options.rootFile, "the CA's root certificate");
    const token = await readFileOr('E_TOKEN_FILE', options.tokenFile, 'the service-account token');
    // A channel per request: requests are hours apart, and the root may have changed in between.
    const client = new Client(options.caAddress, credentials.createSsl(root), {
      'grpc.enable_retries': 0,
      'grpc.use_local_subchannel_pool': 1,
      ...serverNameOption(options.caAddress, options.serverName),
    });
    const metadata = new Metadata();
    metadata.set('authorization', `Bearer ${token.toString('utf8').trim()}`);
    metadata.set('clusterid', options.clusterId ?? 'Kubernetes');
    try {
      const response = await new Promise<Encodable<typeof IstioCertificateResponseSchema> | undefined>((resolve, reject) => {
        client.makeUnaryRequest(
          method.path,
          method.requestSerialize,
          method.responseDeserialize,
          create(IstioCertificateRequestSchema, { csr, validityDuration: BigInt(ttlSeconds) }),
          metadata,
          { deadline: Date.now() + (options.timeoutMs ?? 5000) },
          (error, value) => (error === null ? resolve(value) : reject(error)),
        );
      });
      // methodDefinition decodes every response to a message; bytes are what servers may send.
      return (response as IstioCertificateResponse).certChain;
    } catch (error) {
      throw new XebecError('E_CA_REQUEST', `the CA at ${options.caAddress} gave no certificate`, { cause: error });
    } finally {
      client.close();
    }
  };
}

/** grpc-js channel option that checks an IP address's certificate against a name; a host name is checked as it stands. */
export function serverNameOption(address: string, serverName: string | undefined): { 'grpc.ssl_target_name_override'?: string } {
  const host = address.replace(/:\d+$/, '').replaceAll(/[[\]]/g, '');
  return serverName !== undefined && isIP(host) !== 0 ? { 'grpc.ssl_target_name_override': serverName } : {};
}

async function readFileOr(code: string, file: string, what: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    throw new XebecError(code, `${what} cannot be read from ${file}: ${errorText(error)}`);
  }
}
