import { XebecError } from '@xebec/core';
import { compileMetadataMatcher } from '@xebec/matching';
import { ExtAuthzSchema } from '@xebec/protos/envoy/extensions/filters/network/ext_authz/v3/ext_authz';
import { decodeConfig } from '../../decode.ts';
import { compileGrpcService } from '../../grpc-service.ts';
import type { NetworkFilterDefinition } from '../../network-filter.ts';
import { createConnectionAuthorization, METADATA as name } from './filter.ts';

/** Envoy's limit for a call that names none, milliseconds. */
const DEFAULT_TIMEOUT_MS = 200;

export const networkExtAuthzDefinition: NetworkFilterDefinition = {
  name,
  typeNames: [ExtAuthzSchema.typeName],
  compile(bytes, _, context) {
    const proto = decodeConfig(ExtAuthzSchema, bytes);
    if (proto.shadowMode) throw new XebecError('E_FILTER_CONFIG', `${name}: shadow_mode is not supported`);
    const scope = context.stats.scope(`ext_authz.${proto.statPrefix}`);
    const condition = proto.filterEnabledMetadata === undefined ? undefined : compileMetadataMatcher(proto.filterEnabledMetadata);
    const config = {
      target: compileGrpcService(proto.grpcService, `${name}: grpc_service`, DEFAULT_TIMEOUT_MS),
      upstream: context.upstream,
      logger: context.logger,
      question: {
        includePeerCertificate: proto.includePeerCertificate,
        includeTlsSession: proto.includeTlsSession,
        metadataNamespaces: proto.metadataContextNamespaces,
        destinationLabels: labelsOf(
          proto.bootstrapMetadataLabelsKey === '' ? undefined : context.node.metadata[proto.bootstrapMetadataLabelsKey],
        ),
      },
      failureModeAllow: proto.failureModeAllow,
      enabled: ({ info }: Parameters<ReturnType<NetworkFilterDefinition['compile']>['create']>[0]) =>
        condition === undefined || condition((filter) => info.dynamicMetadata.get(filter)),
      stats: {
        total: scope.counter('total'),
        ok: scope.counter('ok'),
        denied: scope.counter('denied'),
        error: scope.counter('error'),
        failureModeAllowed: scope.counter('failure_mode_allowed'),
        disabled: scope.counter('disabled'),
        closed: scope.counter('cx_closed'),
        active: scope.gauge('active'),
      },
    };
    return { create: (callbacks) => createConnectionAuthorization(config, callbacks) };
  },
};

function labelsOf(value: unknown): Record<string, string> {
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}
