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
 * Whether an HTTP match can hold at all where it is about to be written. Caller and port are known when routes are made, so
 * a match that cannot hold leaves no route behind. Gateways named in a match take the place of its source filters.
 */
export function appliesHere(match: SourceMatch, namespace: string, site: MatchSite): boolean {
  if (!atPort(match, site)) return false;
  return match.gateways !== undefined && match.gateways.length > 0 ? atGateway(match, namespace, site) : fromSource(match, site);
}

/** The same for TCP and TLS matches, where gateways and source filters must both hold. */
export function appliesToConnection(match: SourceMatch, namespace: string, site: MatchSite): boolean {
  const anywhere = match.gateways === undefined || match.gateways.length === 0;
  return atPort(match, site) && (anywhere || atGateway(match, namespace, site)) && fromSource(match, site);
}

function atPort(match: SourceMatch, site: MatchSite): boolean {
  return match.port === undefined || site.ports.length === 0 || site.ports.includes(match.port);
}

function atGateway(match: SourceMatch, namespace: string, site: MatchSite): boolean {
  return (match.gateways ?? []).some((name) => site.gateways.has(name === MESH_GATEWAY ? name : qualifyGateway(name, namespace)));
}

function fromSource(match: SourceMatch, site: MatchSite): boolean {
  const { sourceNamespace } = match;
  if (sourceNamespace !== undefined && sourceNamespace !== '' && sourceNamespace !== site.proxy.namespace) return false;
  return selects(match.sourceLabels, site.proxy.labels);
}
