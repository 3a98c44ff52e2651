import type { WatchedKind } from '@xebec/config';

/** A kind of the Service Mesh Interface, in the version that is watched first. */
export interface SmiKind {
  readonly group: string;
  readonly kind: string;
  readonly plural: string;
  readonly shortNames: readonly string[];
  /** Storage version first. Objects look alike in all: what moved between versions is read in both places. */
  readonly versions: readonly string[];
}

export const smiKinds: readonly SmiKind[] = [
  {
    group: 'split.smi-spec.io',
    kind: 'TrafficSplit',
    plural: 'trafficsplits',
    shortNames: ['ts'],
    versions: ['v1alpha4', 'v1alpha3', 'v1alpha2', 'v1alpha1'],
  },
  {
    group: 'access.smi-spec.io',
    kind: 'TrafficTarget',
    plural: 'traffictargets',
    shortNames: ['tt'],
    versions: ['v1alpha3', 'v1alpha2', 'v1alpha1'],
  },
  {
    group: 'specs.smi-spec.io',
    kind: 'HTTPRouteGroup',
    plural: 'httproutegroups',
    shortNames: ['htr'],
    versions: ['v1alpha4', 'v1alpha3', 'v1alpha2', 'v1alpha1'],
  },
  {
    group: 'specs.smi-spec.io',
    kind: 'TCPRoute',
    plural: 'tcproutes',
    shortNames: ['tr'],
    versions: ['v1alpha4', 'v1alpha3', 'v1alpha2', 'v1alpha1'],
  },
];

/** What an API server is asked for; a cluster without these kinds, or that does not let us read them, has none of their objects. */
export function watchedSmiKinds(): readonly WatchedKind[] {
  return smiKinds.map(({ group, kind, plural, versions: [version] }) => {
    const apiVersion = `${group}/${version}`;
    return { apiVersion, kind, path: `/apis/${apiVersion}/${plural}`, optional: true };
  });
}

const GROUPS = new Set(smiKinds.map(({ group }) => group));

export function isSmi(object: { readonly apiVersion: string }): boolean {
  return GROUPS.has(object.apiVersion.split('/')[0] ?? '');
}
