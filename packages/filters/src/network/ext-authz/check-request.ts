import { create, toBinary } from '@bufbuild/protobuf';
import { CheckRequestSchema } from '@xebec/protos/envoy/service/auth/v3/external_auth';
import type { StreamInfo } from '@xebec/telemetry';
import { checkMetadata, checkParties } from '../../ext-authz/check-attributes.ts';

export interface ConnectionCheckOptions {
  readonly includePeerCertificate: boolean;
  readonly includeTlsSession: boolean;
  /** Dynamic metadata of these filters goes along. */
  readonly metadataNamespaces: readonly string[];
  /** Of the workload that is called: what the bootstrap's node metadata has under the configured key. */
  readonly destinationLabels: Readonly<Record<string, string>>;
}

/** The bytes of an `envoy.service.auth.v3.CheckRequest` about a connection: who is at its ends, and no request. */
export function encodeConnectionCheck(info: StreamInfo, options: ConnectionCheckOptions): Uint8Array {
  const { source, destination } = checkParties(info.connection, options.includePeerCertificate);
  const message = create(CheckRequestSchema, {
    attributes: {
      source,
      destination: { ...destination, labels: { ...options.destinationLabels } },
      metadataContext: { filterMetadata: checkMetadata(info, options.metadataNamespaces) },
      ...(options.includeTlsSession ? { tlsSession: { sni: info.connection.requestedServerName } } : {}),
    },
  });
  return toBinary(CheckRequestSchema, message);
}
