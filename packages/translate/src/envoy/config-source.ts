import { ApiConfigSource_ApiType, ApiVersion } from '@xebec/protos/envoy/config/core/v3/config_source';
import { ZERO } from './duration.ts';

/** Over the ADS stream, without a time limit on the first answer: a proxy waits rather than starts half configured. */
export const ADS_SOURCE = {
  configSourceSpecifier: { case: 'ads' as const, value: {} },
  initialFetchTimeout: ZERO,
  resourceApiVersion: ApiVersion.V3,
};

/** Secrets over ADS. One that is not there must not hold up its listener for ever, so Envoy's own limit holds. */
export const ADS_SECRET_SOURCE = {
  configSourceSpecifier: { case: 'ads' as const, value: {} },
  resourceApiVersion: ApiVersion.V3,
};

const agent = (clusterName: string) => ({
  case: 'apiConfigSource' as const,
  value: {
    apiType: ApiConfigSource_ApiType.GRPC,
    transportApiVersion: ApiVersion.V3,
    grpcServices: [{ targetSpecifier: { case: 'envoyGrpc' as const, value: { clusterName } } }],
    setNodeOnFirstMessageOnly: true,
  },
});

/** From the agent beside the proxy, over its `sds-grpc` cluster. */
export const SDS_SOURCE = {
  configSourceSpecifier: agent('sds-grpc'),
  initialFetchTimeout: ZERO,
  resourceApiVersion: ApiVersion.V3,
};

/** Files that the agent reads: as `SDS_SOURCE`, but not waited for without limit. */
const SDS_FILE_SOURCE = {
  configSourceSpecifier: SDS_SOURCE.configSourceSpecifier,
  resourceApiVersion: ApiVersion.V3,
};

/** The same where `sds-grpc` is another's server, SPIRE's say, that knows nothing of the pod's files. */
const SDS_OWN_FILE_SOURCE = { configSourceSpecifier: agent('sds-files-grpc'), resourceApiVersion: ApiVersion.V3 };

/** Where a proxy gets what lies in files; its node metadata `file-credential` says that the agent serves them on a socket of their own. */
export function sdsFileSource(metadata: Readonly<Record<string, unknown>>): typeof SDS_FILE_SOURCE {
  return metadata['file-credential'] === 'true' ? SDS_OWN_FILE_SOURCE : SDS_FILE_SOURCE;
}
