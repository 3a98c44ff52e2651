import { isRecord } from '@xebec/config';
import type { ConfigObject, HttpMatch } from '@xebec/schemas';
import { fieldsOf, records, strings, text } from './fields.ts';

/** One match of an HTTPRouteGroup: all that it says must hold. Empty fields say nothing. */
export interface RouteMatch {
  readonly name: string;
  readonly pathRegex: string;
  /** Empty: any. */
  readonly methods: readonly string[];
  /** Regular expressions by lower-case header name. */
  readonly headers: Readonly<Record<string, string>>;
  readonly path: string;
}

export function matchesOf(group: ConfigObject): readonly RouteMatch[] {
  const fields = fieldsOf(group);
  const below = isRecord(group.spec) && isRecord(group.spec['spec']) ? 'spec.' : '';
  return records(fields['matches']).map((match, index) => ({
    name: text(match['name']),
    pathRegex: text(match['pathRegex']),
    methods: strings(match['methods']).includes('*') ? [] : strings(match['methods']),
    headers: headersOf(match['headers']),
    path: `${below}matches[${index}]`,
  }));
}

/** A map, and in older versions a list of maps. */
function headersOf(value: unknown): Record<string, string> {
  const maps = isRecord(value) ? [value] : records(value);
  return Object.fromEntries(maps.flatMap((map) => Object.entries(map).map(([name, regex]) => [name.toLowerCase(), text(regex)])));
}

/** The same as a match of a VirtualService. */
export function toHttpMatch({ name, pathRegex, methods, headers }: RouteMatch): HttpMatch {
  const [method] = methods;
  const named = Object.entries(headers).map(([header, regex]) => [header, { regex }] as const);
  return {
    ...(name === '' ? {} : { name }),
    ...(pathRegex === '' || pathRegex === '.*' ? {} : { uri: { regex: pathRegex } }),
    ...(method === undefined ? {} : { method: methods.length === 1 ? { exact: method } : { regex: methods.join('|') } }),
    ...(named.length === 0 ? {} : { headers: Object.fromEntries(named) }),
  };
}

/** Ports of a TCPRoute; none: all. */
export function portsOf(route: ConfigObject): readonly string[] {
  const { matches } = fieldsOf(route);
  const ports = isRecord(matches) ? matches['ports'] : undefined;
  return Array.isArray(ports) ? ports.filter((port) => Number.isInteger(port)).map(String) : [];
}
