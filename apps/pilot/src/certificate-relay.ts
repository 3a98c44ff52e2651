import { Client, Metadata, type ServerUnaryCall, type ServiceError, status, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { channelCredentials, serverNameOption } from '@xebec/agent';
import { errorText, type Logger } from '@xebec/core';
import { IstioCertificateService } from '@xebec/protos/istio/v1/auth/ca';
import { serviceDefinition } from '@xebec/rpc';

export interface CertificateRelayOptions {
  /** Citadel's `host:port`. */
  readonly caAddress: string;
  /** The name in its certificate, where the address is an IP address. */
  readonly serverName: string;
  /** PEM roots by which Citadel's certificate is judged; asked for each call. */
  roots(): Promise<Buffer>;
  readonly logger: Logger;
}

export interface CertificateRelay {
  readonly implementation: UntypedServiceImplementation;
  close(): void;
}

const { CreateCertificate: METHOD } = serviceDefinition(IstioCertificateService);
const asBytes = (bytes: Buffer): Buffer => bytes;

/** IstioCertificateService whose messages stay bytes: what they say is between the agent and Citadel. */
export const certificateRelayService = {
  CreateCertificate: {
    path: METHOD?.path ?? '',
    originalName: 'CreateCertificate',
    requestStream: false,
    responseStream: false,
    requestSerialize: asBytes,
    requestDeserialize: asBytes,
    responseSerialize: asBytes,
    responseDeserialize: asBytes,
  },
};

const MAX_REQUEST_BYTES = 64 * 1024;
const TIMEOUT_MS = 10_000;
/** What of the caller's metadata proves who calls. Nothing else goes on, `x-forwarded-client-cert` least of all. */
const CREDENTIALS = ['authorization', 'clusterid'];

type Call = ServerUnaryCall<Buffer, Buffer>;
type Reply = (error: Partial<ServiceError> | null, bytes?: Buffer) => void;

/**
 * The certificate service at the port of xDS, where Istio's agents look for it. Calls go on to Citadel with the caller's token. The
 * connection shows no certificate of this server's: Citadel would take it for the caller, and anybody could become pilot.
 */
export function createCertificateRelay(options: CertificateRelayOptions): CertificateRelay {
  const { logger } = options;
  let current: { readonly roots: Buffer; readonly client: Client } | undefined;
  const connection = async (): Promise<Client> => {
    const roots = await options.roots();
    if (current?.roots.equals(roots) === true) return current.client;
    const old = current?.client;
    const client = new Client(options.caAddress, channelCredentials(roots), {
      'grpc.enable_retries': 0,
      ...serverNameOption(options.caAddress, options.serverName),
    });
    current = { roots, client };
    // Calls that are under way end on the connection they began on.
    if (old !== undefined) setTimeout(() => old.close(), TIMEOUT_MS).unref();
    return client;
  };
  const passOn = (client: Client, call: Call, reply: Reply): void => {
    const deadline = Math.min(Number(call.getDeadline()), Date.now() + TIMEOUT_MS);
    const { path } = certificateRelayService.CreateCertificate;
    const onward = client.makeUnaryRequest(
      path,
      asBytes,
      asBytes,
      call.request,
      credentialsOf(call.metadata),
      { deadline },
      (error, answer) =>
        error === null ? reply(null, answer) : reply({ code: error.code, details: error.details, metadata: error.metadata }),
    );
    call.on('cancelled', () => onward.cancel());
  };
  return {
    implementation: {
      CreateCertificate: (call: Call, reply: Reply) => {
        const refused = refusalOf(call);
        if (refused !== undefined) {
          logger.warn({ peer: call.getPeer() }, `certificate refused: ${refused.reason}`);
          reply({ code: refused.code, details: refused.details });
          return;
        }
        connection().then(
          (client) => passOn(client, call, reply),
          (error: unknown) => {
            logger.warn({ code: 'E_CA_REQUEST' }, `certificate requests cannot be passed on: ${errorText(error)}`);
            reply({ code: status.UNAVAILABLE, details: 'the CA cannot be reached, try again' });
          },
        );
      },
    },
    close: () => current?.client.close(),
  };
}

function refusalOf(call: Call): { readonly code: status; readonly details: string; readonly reason: string } | undefined {
  if (call.request.length > MAX_REQUEST_BYTES) {
    const details = `a certificate request ends at ${MAX_REQUEST_BYTES} bytes`;
    return { code: status.INVALID_ARGUMENT, details, reason: details };
  }
  if (call.metadata.get('authorization').length > 0) return undefined;
  // Istio's text, which its agents' users search for.
  const details = 'request authenticate failure';
  return { code: status.UNAUTHENTICATED, details, reason: 'no token; client certificates are taken by Citadel itself' };
}

function credentialsOf(from: Metadata): Metadata {
  const metadata = new Metadata();
  for (const key of CREDENTIALS) for (const value of from.get(key)) metadata.add(key, value);
  return metadata;
}
