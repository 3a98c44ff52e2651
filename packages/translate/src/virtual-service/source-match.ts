import { MESH_GATEWAY, type MeshProxy, qualifyGateway, selects } from '@xebec/model';

/** What a match may say about who calls and by which gateway. */
interface SourceMatch {
  readonly gateways?: readonly string[] | undefined;
  readonly sourceLabels?: Readonly<Record<string, string>> | undefined;
  readonly sourceNamespace?: string | undefined;
  readonly port?: number | undefined;
}

export interface MatchSite {
  readonly proxy: Pick<MeshProxy, 'labels' | 'namespace'>;
  /** `mesh` for sidecars, `namespace/name` of the gateways for routers. */
  readonly gateways: ReadonlySet<string>;
  /** Ports that the listener is known by; empty: any. */
  readonly ports: readonly number[];
}

/**
 * Whether a match can hold at all where it is about to be written. Caller and port are known when routes are made, so a
 * match that cannot hold leaves no route behind.
 */
export function appliesHere(match: SourceMatch, namespace: string, site: MatchSite): boolean {
  if (match.port !== undefined && site.ports.length > 0 && !site.ports.includes(match.port)) return false;
  if (match.gateways !== undefined && match.gateways.length > 0) {
    // Gateways named in a match take the place of its source filters.
    return match.gateways.some((name) => site.gateways.has(qualifyGateway(name, namespace)));
  }
  if (!site.gateways.has(MESH_GATEWAY)) return true;
  if (match.sourceNamespace !== undefined && match.sourceNamespace !== '' && match.sourceNamespace !== site.proxy.namespace) return false;
  return selects(match.sourceLabels, site.proxy.labels);
}
