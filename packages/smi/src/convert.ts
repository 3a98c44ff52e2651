import type { ConfigObject } from '@xebec/schemas';
import { serviceHost } from './fields.ts';
import { isSmi } from './kinds.ts';
import type { SmiProblem } from './problem.ts';
import { convertSplits, rootOf } from './traffic-split.ts';
import { convertTarget } from './traffic-target.ts';

export interface Conversion {
  readonly objects: readonly ConfigObject[];
  readonly problems: readonly SmiProblem[];
}

/**
 * What SMI objects stand for. `others` are objects of the mesh's own kinds: a VirtualService that somebody wrote for a service
 * takes precedence over its TrafficSplits.
 */
export function convertSmi(objects: Iterable<ConfigObject>, others: Iterable<ConfigObject>, domain = 'cluster.local'): Conversion {
  const smi = [...objects].filter(isSmi).sort(byAge);
  const problems: SmiProblem[] = [];
  const report = ({ kind, metadata }: ConfigObject, path: string, message: string) => {
    const { namespace, name } = metadata;
    const problem = { kind, namespace, name, path, message };
    // A group of routes is looked at by everybody that names it.
    if (!problems.some((known) => JSON.stringify(known) === JSON.stringify(problem))) problems.push(problem);
  };
  const byName = new Map(smi.map((object) => [`${object.kind}/${object.metadata.namespace}/${object.metadata.name}`, object]));
  const find = (kind: string, namespace: string, name: string) => byName.get(`${kind}/${namespace}/${name}`);
  const taken = new Map<string, string>();
  for (const { kind, metadata, spec } of others) {
    if (kind !== 'VirtualService' || !isForMesh(spec)) continue;
    for (const host of spec.hosts ?? [])
      if (!host.includes('*')) taken.set(serviceHost(host, metadata.namespace, domain), `${metadata.namespace}/${metadata.name}`);
  }
  const splits = new Map<string, ConfigObject[]>();
  for (const split of smi.filter(({ kind }) => kind === 'TrafficSplit')) {
    const root = rootOf(split, domain);
    const owner = taken.get(root);
    if (root === '') report(split, 'spec.service', 'required field is missing');
    else if (owner !== undefined) report(split, 'spec.service', `VirtualService "${owner}" routes ${root} already: the split is left out`);
    else splits.set(root, [...(splits.get(root) ?? []), split]);
  }
  const made = [
    ...[...splits.values()].map((group) => convertSplits(group, { domain, find, report })),
    ...smi.filter(({ kind }) => kind === 'TrafficTarget').map((target) => convertTarget(target, { find, report })),
  ];
  return { objects: made.filter((object) => object !== undefined), problems };
}

function isForMesh(spec: unknown): spec is { readonly hosts?: readonly string[] } {
  if (typeof spec !== 'object' || spec === null) return false;
  const gateways = 'gateways' in spec && Array.isArray(spec.gateways) ? spec.gateways : [];
  return (gateways.length === 0 || gateways.includes('mesh')) && (!('hosts' in spec) || Array.isArray(spec.hosts));
}

/** Oldest first, and by name where that says nothing. */
function byAge({ metadata: a }: ConfigObject, { metadata: b }: ConfigObject): number {
  const left = `${a.creationTimestamp || '~'} ${a.namespace}/${a.name}`;
  const right = `${b.creationTimestamp || '~'} ${b.namespace}/${b.name}`;
  return left < right ? -1 : left > right ? 1 : 0;
}
