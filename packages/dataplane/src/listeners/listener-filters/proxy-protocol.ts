import { create, fromBinary } from '@bufbuild/protobuf';
import { ProxyProtocolConfig_Version } from '@xebec/protos/envoy/config/core/v3/proxy_protocol';
import { ProxyProtocolSchema } from '@xebec/protos/envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol';
import type { Counter } from '@xebec/telemetry';
import { type ProxyTlv, parseProxyHeader } from '@xebec/wire';
import type { Findings, ListenerFilterCompiler } from './listener-filter.ts';

export const proxyProtocolType = ProxyProtocolSchema.typeName;

const defaultNamespace = 'envoy.filters.listener.proxy_protocol';

interface VersionStats {
  readonly found: Counter;
  readonly error: Counter;
  readonly disallowed: Counter;
}

/**
 * `envoy.filters.listener.proxy_protocol`: takes addresses from the header of a proxy before this one, and TLVs named by rules into
 * dynamic metadata. A malformed header, or none where one is required, refuses the connection.
 */
export const compileProxyProtocol: ListenerFilterCompiler = (config, stats) => {
  const proto = config === undefined ? create(ProxyProtocolSchema) : fromBinary(ProxyProtocolSchema, config);
  const prefix = proto.statPrefix === '' ? 'proxy_proto' : `proxy_proto.${proto.statPrefix}`;
  const scope = stats.scope(prefix);
  const ofVersion = (version: 1 | 2): VersionStats => ({
    found: scope.counter(`versions.v${version}.found`),
    error: scope.counter(`versions.v${version}.error`),
    disallowed: scope.counter(`versions.v${version}.disallowed`),
  });
  const versions = { 1: ofVersion(1), 2: ofVersion(2) };
  const notFoundAllowed = scope.counter('not_found_allowed');
  const notFoundDisallowed = scope.counter('not_found_disallowed');
  const errors = stats.counter('downstream_cx_proxy_proto_error');
  const allowsNone = proto.allowRequestsWithoutProxyProtocol;
  const disallowed = new Set(proto.disallowedVersions.map((version) => (version === ProxyProtocolConfig_Version.V2 ? 2 : 1)));
  const rules = new Map(proto.rules.map((rule) => [rule.tlvType, rule.onTlvPresent]));
  const record = (tlvs: readonly ProxyTlv[], findings: Findings): void => {
    for (const { type, value } of tlvs) {
      const target = rules.get(type);
      if (target === undefined) continue;
      const namespace = target.metadataNamespace === '' ? defaultNamespace : target.metadataNamespace;
      findings.metadata.set(namespace, { ...findings.metadata.get(namespace), [target.key]: value.toString('utf8') });
    }
  };
  return {
    inspect(bytes, findings) {
      if (bytes.length === 0) return 'need-more';
      const result = parseProxyHeader(bytes);
      if (result.kind === 'need-more') return 'need-more';
      if (result.kind === 'none') {
        if (allowsNone) {
          notFoundAllowed.add(1);
          return 0;
        }
        notFoundDisallowed.add(1);
        errors.add(1);
        return 'close';
      }
      const version = result.kind === 'malformed' ? result.version : result.header.version;
      if (disallowed.has(version)) {
        versions[version].disallowed.add(1);
        errors.add(1);
        return 'close';
      }
      if (result.kind === 'malformed') {
        versions[version].error.add(1);
        errors.add(1);
        return 'close';
      }
      versions[version].found.add(1);
      findings.proxied = result.header.addresses;
      findings.proxyTlvs = result.header.tlvs;
      record(result.header.tlvs, findings);
      return result.header.length;
    },
  };
};
