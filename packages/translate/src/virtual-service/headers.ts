import { HeaderValueOption_HeaderAppendAction, type HeaderValueOptionSchema } from '@xebec/protos/envoy/config/core/v3/base';
import type { RouteHeaders } from '@xebec/schemas';
import type { Fields } from '../envoy/any.ts';

type HeaderOption = Fields<typeof HeaderValueOptionSchema>;

export interface HeaderFields {
  readonly requestHeadersToAdd: HeaderOption[];
  readonly requestHeadersToRemove: string[];
  readonly responseHeadersToAdd: HeaderOption[];
  readonly responseHeadersToRemove: string[];
  /** From `set` (or `add`) of `host` or `:authority`: Envoy rewrites the host in its own field. */
  readonly authority?: string;
}

/** Header operations of a route or destination: `set` overwrites, `add` appends. */
export function headerFields(headers: RouteHeaders | undefined): HeaderFields {
  const request = headers?.request;
  const response = headers?.response;
  const authority = hostOf(request?.set) ?? hostOf(request?.add);
  return {
    requestHeadersToAdd: options(request),
    requestHeadersToRemove: removals(request),
    responseHeadersToAdd: options(response),
    responseHeadersToRemove: removals(response),
    ...(authority === undefined ? {} : { authority }),
  };
}

/** Two sets of operations in order: those of the route, then those of its only destination. */
export function mergeHeaderFields(first: HeaderFields, second: HeaderFields): HeaderFields {
  // The route's own host stands over its destination's, as Envoy has it where there are several destinations.
  const authority = first.authority ?? second.authority;
  return {
    requestHeadersToAdd: [...first.requestHeadersToAdd, ...second.requestHeadersToAdd],
    requestHeadersToRemove: [...first.requestHeadersToRemove, ...second.requestHeadersToRemove],
    responseHeadersToAdd: [...first.responseHeadersToAdd, ...second.responseHeadersToAdd],
    responseHeadersToRemove: [...first.responseHeadersToRemove, ...second.responseHeadersToRemove],
    ...(authority === undefined ? {} : { authority }),
  };
}

type Operations = RouteHeaders['request'];

function options(operations: Operations): HeaderOption[] {
  const action = HeaderValueOption_HeaderAppendAction;
  return [
    ...entries(operations?.set).map(([key, value]) => ({ header: { key, value }, appendAction: action.OVERWRITE_IF_EXISTS_OR_ADD })),
    ...entries(operations?.add).map(([key, value]) => ({ header: { key, value }, appendAction: action.APPEND_IF_EXISTS_OR_ADD })),
  ];
}

/** Pseudo headers and host cannot be edited as headers: Envoy refuses them. */
function entries(map: Readonly<Record<string, string>> | undefined): [string, string][] {
  return Object.entries(map ?? {})
    .filter(([name]) => !isHost(name) && !name.startsWith(':'))
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

function removals(operations: Operations): string[] {
  return (operations?.remove ?? []).filter((name) => !isHost(name) && !name.startsWith(':'));
}

function hostOf(map: Readonly<Record<string, string>> | undefined): string | undefined {
  return Object.entries(map ?? {}).find(([name]) => isHost(name))?.[1];
}

function isHost(name: string): boolean {
  const lower = name.toLowerCase();
  return lower === 'host' || lower === ':authority';
}
