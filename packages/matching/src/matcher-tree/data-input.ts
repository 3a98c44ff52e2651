import { fromBinary } from '@bufbuild/protobuf';
import { XebecError } from '@xebec/core';
import {
  DynamicMetadataInputSchema,
  FilterStateInputSchema,
} from '@xebec/protos/envoy/extensions/matching/common_inputs/network/v3/network_inputs';
import {
  EndpointMetadataInputSchema,
  LocalityMetadataInputSchema,
} from '@xebec/protos/envoy/extensions/matching/common_inputs/transport_socket/v3/transport_socket_inputs';
import { HttpRequestHeaderMatchInputSchema } from '@xebec/protos/envoy/type/matcher/v3/http_inputs';
import type { TypedExtensionConfig } from '@xebec/protos/xds/core/v3/extension';
import type { StreamInfo } from '@xebec/telemetry';
import type { RequestHead, ResponseHead } from '@xebec/wire';
import type { ConnectionTraits } from '../filter-chain-match.ts';
import { requestHeaderValues } from '../request-header.ts';
import { checkTreeInput, type TreePlace } from './tree-place.ts';

/** What matcher trees look at. `traits` stands for the connection where there is no stream yet. */
export interface MatchSubject {
  readonly request?: RequestHead | undefined;
  readonly response?: ResponseHead | undefined;
  readonly info?: StreamInfo | undefined;
  readonly traits?: ConnectionTraits | undefined;
  /** `filter_metadata` of an endpoint and of its locality. */
  readonly endpoint?: EndpointSubject | undefined;
}

export interface EndpointSubject {
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly localityMetadata: Readonly<Record<string, unknown>>;
}

/** A text, or what only certain matchers take: a metadata value, or the whole subject for CEL. Undefined: there is no such thing. */
export type DataInput =
  | { readonly kind: 'text'; read(subject: MatchSubject): string | undefined }
  | { readonly kind: 'metadata'; read(subject: MatchSubject): unknown }
  | { readonly kind: 'attributes' };

const network = 'envoy.extensions.matching.common_inputs.network.v3.';
const socket = 'envoy.extensions.matching.common_inputs.transport_socket.v3.';
const ssl = 'envoy.extensions.matching.common_inputs.ssl.v3.';
const http = 'envoy.type.matcher.v3.';

/** Compiles an input of `xds.type.matcher.v3.Matcher`; throws XebecError `E_MATCHER` for one that is not known. */
export function compileDataInput(input: TypedExtensionConfig | undefined, place: TreePlace): DataInput {
  const any = input?.typedConfig;
  if (any === undefined) throw new XebecError('E_MATCHER', 'matcher input has no typed_config');
  const typeName = any.typeUrl.slice(any.typeUrl.lastIndexOf('/') + 1);
  checkTreeInput(place, typeName);
  const plain = plainInputs[typeName];
  if (plain !== undefined) return { kind: 'text', read: plain };
  switch (typeName) {
    case `${http}HttpRequestHeaderMatchInput`: {
      const name = fromBinary(HttpRequestHeaderMatchInputSchema, any.value).headerName.toLowerCase();
      return text(({ request }) => (request === undefined ? undefined : joined(requestHeaderValues(request, name))));
    }
    case `${network}FilterStateInput`: {
      const { key } = fromBinary(FilterStateInputSchema, any.value);
      return text(({ info }) => {
        const value = info?.filterState.get(key);
        return value === undefined ? undefined : String(value);
      });
    }
    case `${network}DynamicMetadataInput`: {
      const { filter, path } = fromBinary(DynamicMetadataInputSchema, any.value);
      const keys = path.map(({ segment }) => segment.value ?? '');
      return { kind: 'metadata', read: ({ info }) => valueAt(info?.dynamicMetadata.get(filter), keys) };
    }
    case `${socket}EndpointMetadataInput`: {
      const { filter, path } = fromBinary(EndpointMetadataInputSchema, any.value);
      return metadataText(filter, path, ({ endpoint }) => endpoint?.metadata);
    }
    case `${socket}LocalityMetadataInput`: {
      const { filter, path } = fromBinary(LocalityMetadataInputSchema, any.value);
      return metadataText(filter, path, ({ endpoint }) => endpoint?.localityMetadata);
    }
    case 'xds.type.matcher.v3.HttpAttributesCelMatchInput':
      return { kind: 'attributes' };
    default:
      throw new XebecError('E_MATCHER', `matcher input "${typeName}" is not supported`);
  }
}

/** A text as it is, another value as JSON; without a namespace it is that of load balancing. */
function metadataText(
  filter: string,
  path: readonly { readonly segment: { readonly value?: string | undefined } }[],
  from: (subject: MatchSubject) => Readonly<Record<string, unknown>> | undefined,
): DataInput {
  const keys = [filter === '' ? 'envoy.lb' : filter, ...path.map(({ segment }) => segment.value ?? '')];
  return text((subject) => {
    const value = valueAt(from(subject), keys);
    return value === undefined || typeof value === 'string' ? value : JSON.stringify(value);
  });
}

type Reader = (subject: MatchSubject) => string | undefined;

const text = (read: Reader): DataInput => ({ kind: 'text', read });

const sanList = (names: readonly string[] | undefined): string | undefined =>
  names === undefined || names.length === 0 ? undefined : names.join(',');
const peer = ({ info }: MatchSubject) => info?.connection.tls?.peer;

const plainInputs: Readonly<Record<string, Reader>> = {
  [`${network}DestinationIPInput`]: ({ traits, info }) => traits?.destinationAddress ?? info?.connection.localAddress,
  [`${network}DestinationPortInput`]: ({ traits, info }) => digits(traits?.destinationPort ?? info?.connection.localPort),
  [`${network}SourceIPInput`]: ({ traits, info }) => traits?.sourceAddress ?? info?.connection.remoteAddress,
  [`${network}SourcePortInput`]: ({ traits, info }) => digits(traits?.sourcePort ?? info?.connection.remotePort),
  [`${network}DirectSourceIPInput`]: ({ traits, info }) =>
    traits?.directSourceAddress ?? info?.connection.directRemoteAddress ?? info?.connection.remoteAddress,
  [`${network}SourceTypeInput`]: ({ traits, info }) => {
    const source = traits?.sourceAddress ?? info?.connection.remoteAddress ?? '';
    const local = source === '::1' || source.startsWith('127.') || source === (traits?.destinationAddress ?? info?.connection.localAddress);
    return local ? 'local' : undefined;
  },
  [`${network}ServerNameInput`]: ({ traits, info }) => filled(traits?.serverName ?? info?.connection.requestedServerName),
  [`${network}TransportProtocolInput`]: ({ traits, info }) =>
    traits?.transportProtocol ?? (info?.connection.tls === undefined ? 'raw_buffer' : 'tls'),
  // Quoted, so that a matcher can tell one name from the start of another.
  [`${network}ApplicationProtocolInput`]: ({ traits }) =>
    traits === undefined || traits.applicationProtocols.length === 0
      ? undefined
      : traits.applicationProtocols.map((protocol) => `'${protocol}'`).join(','),
  [`${ssl}UriSanInput`]: (subject) => sanList(peer(subject)?.uriSans),
  [`${ssl}DnsSanInput`]: (subject) => sanList(peer(subject)?.dnsSans),
  [`${ssl}SubjectInput`]: (subject) => filled(peer(subject)?.subject),
};

function digits(port: number | undefined): string | undefined {
  return port === undefined ? undefined : String(port);
}

function filled(value: string | undefined): string | undefined {
  return value === '' ? undefined : value;
}

function joined(value: string | readonly string[] | undefined): string | undefined {
  return value === undefined || typeof value === 'string' ? value : value.join(',');
}

function valueAt(from: unknown, keys: readonly string[]): unknown {
  let value = from;
  for (const key of keys)
    value = typeof value === 'object' && value !== null && Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined;
  return value;
}
