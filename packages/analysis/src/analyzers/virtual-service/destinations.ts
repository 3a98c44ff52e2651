import { type Fields, given, record, records, text } from '../../fields.ts';

/** A destination that a VirtualService names, with its field. */
export interface NamedDestination {
  readonly destination: Fields;
  readonly mirror: boolean;
  readonly path: string;
}

/** All of them: TCP, TLS and HTTP routes, then mirrors. */
export function destinationsOf(spec: Fields): NamedDestination[] {
  const routes = (['tcp', 'tls', 'http'] as const).flatMap((kind) =>
    records(spec[kind]).flatMap((rule, i) =>
      records(rule['route']).map((route, j) => ({
        destination: record(route['destination']),
        mirror: false,
        path: `spec.${kind}[${i}].route[${j}].destination.host`,
      })),
    ),
  );
  const mirrors = records(spec['http']).flatMap((rule, i) => {
    const single = given(rule['mirror']);
    return [
      ...(single === undefined ? [] : [{ destination: single, mirror: true, path: `spec.http[${i}].mirror.host` }]),
      ...records(rule['mirrors']).map((mirror, j) => ({
        destination: record(mirror['destination']),
        mirror: true,
        path: `spec.http[${i}].mirrors[${j}].destination.host`,
      })),
    ];
  });
  return [...routes, ...mirrors];
}

export function hostOf(destination: Fields): string {
  return text(destination['host']);
}

export function subsetOf(destination: Fields): string {
  return text(destination['subset']);
}
