import { XebecError } from '@xebec/core';

/** Where a matcher tree stands: each place has its own inputs. */
export type TreePlace = 'rbac' | 'network-rbac' | 'route' | 'filter-chain' | 'transport-socket';

const network = 'envoy.extensions.matching.common_inputs.network.v3.';
const connection = [
  ...['DestinationIPInput', 'DestinationPortInput', 'SourceIPInput', 'SourcePortInput', 'DirectSourceIPInput', 'ServerNameInput'].map(
    (name) => `${network}${name}`,
  ),
  `${network}FilterStateInput`,
  ...['UriSanInput', 'DnsSanInput', 'SubjectInput'].map((name) => `envoy.extensions.matching.common_inputs.ssl.v3.${name}`),
];
const socket = 'envoy.extensions.matching.common_inputs.transport_socket.v3.';
const header = 'envoy.type.matcher.v3.HttpRequestHeaderMatchInput';

const inputs: Readonly<Record<TreePlace, ReadonlySet<string>>> = {
  rbac: new Set([...connection, header, `${network}DynamicMetadataInput`, 'xds.type.matcher.v3.HttpAttributesCelMatchInput']),
  'network-rbac': new Set(connection),
  route: new Set([header, `${network}FilterStateInput`]),
  'transport-socket': new Set(['EndpointMetadataInput', 'LocalityMetadataInput'].map((name) => `${socket}${name}`)),
  'filter-chain': new Set([
    ...connection,
    ...['SourceTypeInput', 'TransportProtocolInput', 'ApplicationProtocolInput'].map((name) => `${network}${name}`),
  ]),
};

const refusals: Readonly<Record<TreePlace, string>> = {
  rbac: 'RBAC HTTP filter cannot match on',
  'network-rbac': 'RBAC network filter cannot match on',
  route: 'route table can only match on request headers, saw',
  'filter-chain': 'filter chains cannot be matched by',
  'transport-socket': 'transport sockets cannot be matched by',
};

/** Throws XebecError `E_MATCHER` for an input that Envoy does not take at this place. */
export function checkTreeInput(place: TreePlace, typeName: string): void {
  if (!inputs[place].has(typeName)) throw new XebecError('E_MATCHER', `${refusals[place]} "${typeName}"`);
}
