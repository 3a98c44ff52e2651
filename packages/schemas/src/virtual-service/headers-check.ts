import type { FindingList } from '../findings.ts';
import { isAuthority, plainHeader, requestHeader } from '../values/header-names.ts';
import { headerValue } from '../values/header-value.ts';
import type { HttpRoute, RouteHeaders } from './spec.ts';

type Path = readonly PropertyKey[];

/** Headers that a route or destination sets, adds and removes. */
export function checkHeaders(headers: RouteHeaders | undefined, path: Path, findings: FindingList): void {
  for (const side of ['request', 'response'] as const) {
    const operations = headers?.[side];
    for (const operation of ['set', 'add'] as const)
      for (const [name, value] of Object.entries(operations?.[operation] ?? {})) {
        const at = [...path, side, operation, name];
        findings.refuse(at, (side === 'request' ? requestHeader : plainHeader)(name));
        findings.refuse(at, headerValue(value));
      }
    for (const [index, name] of (operations?.remove ?? []).entries()) findings.refuse([...path, side, 'remove', index], plainHeader(name));
  }
}

/** The authority is set once: by the rewrite or by one header. */
export function checkAuthority({ headers, rewrite }: HttpRoute, path: Path, findings: FindingList): void {
  const { add = {}, set = {} } = headers?.request ?? {};
  const given = [
    rewrite?.authority ?? '',
    ...[...Object.entries(set), ...Object.entries(add)].filter(([name]) => isAuthority(name)).map(([, value]) => value),
  ];
  if (given.filter((value) => value !== '').length > 1)
    findings.error(path, 'sets the authority more than once, by rewrite.authority and headers');
}
