import type { MeshProxy, MeshSnapshot } from '@xebec/model';
import type { ConfigReference } from '../generated.ts';
import type { NetworkFilter } from '../listener/connection-manager.ts';
import type { HttpFilter } from '../listener/http-filters.ts';
export function authorizationFilters(
  _snapshot: MeshSnapshot,
  _proxy: MeshProxy,
): { http: HttpFilter[]; tcp: NetworkFilter[]; references: ConfigReference[] } {
  return { http: [], tcp: [], references: [] };
}
