import { query, sameList } from '@xebec/incremental';
import type { ConfigObject, PeerAuthenticationSpec } from '@xebec/schemas';
import { isNarrow, type Labels, selects } from './labels.ts';
import type { MeshSnapshot } from './snapshot.ts';

export type InboundMutualTls = 'DISABLE' | 'PERMISSIVE' | 'STRICT';

/** What a workload accepts: one mode, and exceptions by port of the workload. */
export interface PeerAuthentication {
  readonly mode: InboundMutualTls;
  readonly ports: ReadonlyMap<number, InboundMutualTls>;
  /** The objects that decided, narrowest first. */
  readonly sources: readonly ConfigObject<PeerAuthenticationSpec>[];
  modeOf(port: number): InboundMutualTls;
}

/**
 * Composes PeerAuthentication for a workload: workload over namespace over mesh, the oldest in each level, UNSET inherits
 * from the level above, and PERMISSIVE when nothing is said. Port level counts only with a selector.
 */
export const peerAuthenticationOf = query('peer authentication', compose, { same: (a, b) => sameList(a.sources, b.sources) });

function compose(snapshot: MeshSnapshot, namespace: string, labels: Labels): PeerAuthentication {
  const broad = (config: ConfigObject<PeerAuthenticationSpec>) => !isNarrow(config.spec.selector?.matchLabels);
  const own = snapshot.config.in('PeerAuthentication', namespace);
  const meshLevel = snapshot.config.in('PeerAuthentication', snapshot.rootNamespace).find(broad);
  const namespaceLevel = namespace === snapshot.rootNamespace ? undefined : own.find(broad);
  // A selector means nothing in the root namespace.
  const workloadLevel =
    namespace === snapshot.rootNamespace
      ? undefined
      : own.find((config) => !broad(config) && selects(config.spec.selector?.matchLabels, labels));
  const levels = [meshLevel, namespaceLevel, workloadLevel].filter((level) => level !== undefined);
  let mode: InboundMutualTls = 'PERMISSIVE';
  for (const level of levels) {
    const given = level.spec.mtls?.mode;
    if (given !== undefined && given !== 'UNSET') mode = given;
  }
  const ports = new Map<number, InboundMutualTls>();
  for (const [port, setting] of Object.entries(workloadLevel?.spec.portLevelMtls ?? {}))
    ports.set(Number(port), setting.mode === undefined || setting.mode === 'UNSET' ? mode : setting.mode);
  return { mode, ports, sources: levels.reverse(), modeOf: (port) => ports.get(port) ?? mode };
}
