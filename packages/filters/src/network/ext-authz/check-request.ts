import { create, toBinary } from '@bufbuild/protobuf';
import { CheckRequestSchema } from '@xebec/protos/envoy/service/auth/v3/external_auth';
import type { StreamInfo } from '@xebec/telemetry';

export interface ConnectionCheckOptions {
  readonly includePeerCertificate: boolean;
  readonly includeTlsSession: boolean;
  /** Dynamic metadata of these filters goes along. */
  readonly metadataNamespaces: readonly string[];
  /** Of the workload that is called: what the bootstrap's node metadata has under the configured key. */
  readonly destinationLabels: Readonly<Record<string, string>>;
}

/** The bytes of an `envoy.service.auth.v3.CheckRequest` about a connection: who is at its ends, and no request. */
export function encodeConnectionCheck({ connection, dynamicMetadata }: StreamInfo, options: ConnectionCheckOptions): Uint8Array {
  const peer = connection.tls?.peer;
  const metadata: Record<string, Record<string, never>> = {};
  for (const name of options.metadataNamespaces) {
    const values = dynamicMetadata.get(name);
    // Metadata is JSON by construction; a copy through JSON drops what is not.
    if (values !== undefined) metadata[name] = JSON.parse(JSON.stringify(values)) as Record<string, never>;
  }
  const address = (host: string, port: number) => ({
    address: { case: 'socketAddress' as const, value: { address: host, portSpecifier: { case: 'portValue' as const, value: port } } },
  });
  const message = create(CheckRequestSchema, {
    attributes: {
      source: {
        address: address(connection.remoteAddress, connection.remotePort),
        principal: peer === undefined ? '' : (peer.uriSans[0] ?? peer.dnsSans[0] ?? peer.subject),
        certificate: options.includePeerCertificate && peer !== undefined ? encodeURIComponent(peer.pem) : '',
      },
      destination: {
        address: address(connection.localAddress, connection.localPort),
        principal: connection.tls?.localUriSan ?? '',
        labels: { ...options.destinationLabels },
      },
      metadataContext: { filterMetadata: metadata },
      ...(options.includeTlsSession ? { tlsSession: { sni: connection.requestedServerName } } : {}),
    },
  });
  return toBinary(CheckRequestSchema, message);
}
