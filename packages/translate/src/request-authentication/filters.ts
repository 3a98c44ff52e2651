import type { MeshProxy, MeshSnapshot } from '@xebec/model';
import type { ConfigReference } from '../generated.ts';
import type { HttpFilter } from '../listener/http-filters.ts';
export function jwtFilters(_snapshot: MeshSnapshot, _proxy: MeshProxy): { http: HttpFilter[]; references: ConfigReference[] } {
  return { http: [], references: [] };
}
