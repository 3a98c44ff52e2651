import { XebecError } from '@xebec/core';
import { compileHeaderMatcher, compileQueryMatcher, queryParameters, requestHeaderValues } from '@xebec/matching';
import type {
  RateLimit_Action,
  RateLimit_Action_DynamicMetaData,
  RateLimit_Action_MetaData,
} from '@xebec/protos/envoy/config/route/v3/route_components';
import type { MetadataKey } from '@xebec/protos/envoy/type/metadata/v3/metadata';
import type { StreamInfo } from '@xebec/telemetry';
import type { RequestHead } from '@xebec/wire';
import type { RouteView } from '../http-filter.ts';
import type { DescriptorEntry } from './descriptor.ts';
import { maskedAddress } from './masked-address.ts';

/** What an action reads. */
export interface RequestFacts {
  readonly request: RequestHead;
  readonly info: StreamInfo;
  readonly route: RouteView | undefined;
  /** `--service-cluster` of this proxy. */
  readonly localCluster: string;
}

/** An entry; `skip`: none, the others still make a descriptor; `none`: no descriptor at all. */
export type ActionResult = DescriptorEntry | 'skip' | 'none';
export type Action = (facts: RequestFacts) => ActionResult;

/** Compiles one `envoy.config.route.v3.RateLimit.Action`. */
export function compileAction({ actionSpecifier: action }: RateLimit_Action): Action {
  switch (action.case) {
    case 'sourceCluster':
      return ({ localCluster }) => ({ key: 'source_cluster', value: localCluster });
    case 'destinationCluster':
      return ({ route }) => (route?.clusterName === undefined ? 'none' : { key: 'destination_cluster', value: route.clusterName });
    case 'requestHeaders': {
      const { headerName, descriptorKey: key, skipIfAbsent } = action.value;
      const name = headerName.toLowerCase();
      return ({ request }) => {
        const found = requestHeaderValues(request, name);
        const value = typeof found === 'string' ? found : found?.[0];
        return value === undefined ? absent(skipIfAbsent) : { key, value };
      };
    }
    case 'queryParameters': {
      const { queryParameterName, descriptorKey: key, skipIfAbsent } = action.value;
      return ({ request }) => {
        const value = queryParameters(request.path).get(queryParameterName);
        return value === undefined ? absent(skipIfAbsent) : { key, value: decoded(value) };
      };
    }
    case 'remoteAddress':
      return ({ info }) => ({ key: 'remote_address', value: info.connection.remoteAddress });
    case 'maskedRemoteAddress': {
      const { v4PrefixMaskLen = 32, v6PrefixMaskLen = 128 } = action.value;
      return ({ info }) => ({
        key: 'masked_remote_address',
        value: maskedAddress(info.connection.remoteAddress, v4PrefixMaskLen, v6PrefixMaskLen),
      });
    }
    case 'genericKey': {
      const { descriptorKey, descriptorValue } = action.value;
      return fixed(descriptorKey === '' ? 'generic_key' : descriptorKey, descriptorValue);
    }
    case 'headerValueMatch': {
      const { descriptorKey, descriptorValue, expectMatch = true, headers } = action.value;
      const matchers = headers.map(compileHeaderMatcher);
      const entry = fixed(descriptorKey === '' ? 'header_match' : descriptorKey, descriptorValue);
      return (facts) => (matchers.every((matches) => matches(facts.request)) === expectMatch ? entry(facts) : 'none');
    }
    case 'queryParameterValueMatch': {
      const { descriptorKey, descriptorValue, expectMatch = true, queryParameters: wanted } = action.value;
      const matchers = wanted.map(compileQueryMatcher);
      const entry = fixed(descriptorKey === '' ? 'query_match' : descriptorKey, descriptorValue);
      return (facts) => {
        const parameters = queryParameters(facts.request.path);
        return matchers.every((matches) => matches(parameters)) === expectMatch ? entry(facts) : 'none';
      };
    }
    case 'dynamicMetadata':
      return compileMetadata(action.value, false, false);
    case 'metadata':
      return compileMetadata(action.value, action.value.source === 1, action.value.skipIfAbsent);
    case 'extension':
      throw new XebecError('E_FILTER_CONFIG', `rate limit action extension "${action.value.name}" is not supported`);
    default:
      throw new XebecError('E_FILTER_CONFIG', 'a rate limit action says nothing');
  }
}

const absent = (skip: boolean): ActionResult => (skip ? 'skip' : 'none');

function fixed(key: string, value: string): Action {
  const entry = { key, value };
  return () => entry;
}

function compileMetadata(
  proto: RateLimit_Action_DynamicMetaData | RateLimit_Action_MetaData,
  ofRoute: boolean,
  skipIfAbsent: boolean,
): Action {
  const { descriptorKey: key, metadataKey, defaultValue } = proto;
  return ({ info, route }) => {
    const value = metadataValue(metadataKey, (name) => (ofRoute ? asRecord(route?.metadata[name]) : info.dynamicMetadata.get(name)));
    if (typeof value === 'string' && value !== '') return { key, value };
    if (defaultValue !== '') return { key, value: defaultValue };
    return absent(skipIfAbsent);
  };
}

/** The value that a MetadataKey points to. */
export function metadataValue(
  key: MetadataKey | undefined,
  find: (name: string) => Readonly<Record<string, unknown>> | undefined,
): unknown {
  if (key === undefined) return undefined;
  let value: unknown = find(key.key);
  for (const { segment } of key.path) value = asRecord(value)?.[segment.value ?? ''];
  return value;
}

export function asRecord(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.fromEntries(Object.entries(value)) : undefined;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
