import { err, ok, type Result } from '@xebec/core';
import type { Labels, MeshProxy, MeshSnapshot } from '@xebec/model';
import { gatewayProxy, proxyBeside } from './workloads.ts';

interface Candidate {
  readonly name: string;
  readonly labels: Labels;
}

/**
 * The gateway that calls from outside come in by. Its pods where the mesh has some; files often have Gateways only, and then a
 * proxy with the labels that they select stands for it. `wanted` (`name` or `name.namespace`) decides between several.
 */
export function findGateway(snapshot: MeshSnapshot, wanted: string | undefined): Result<MeshProxy, string> {
  const candidates = new Map<string, Candidate>();
  for (const gateway of snapshot.config.all('Gateway')) {
    const labels = gateway.spec.selector ?? {};
    const name = labels.istio ?? labels.app ?? gateway.metadata.name;
    candidates.set(JSON.stringify(Object.entries(labels).sort()), { name, labels });
  }
  const all = [...candidates.values()];
  const [wantedName, wantedNamespace] = (wanted ?? '').split('.');
  const fitting = wanted === undefined ? all : all.filter(({ name, labels }) => name === wantedName || labels.app === wantedName);
  const names = all.map(({ name }) => name).sort();
  const [first, second] = fitting;
  if (first === undefined) {
    if (wanted === undefined) return err('no Gateway opens a way in from outside; add one, or say who calls with --from');
    return err(`no gateway "${wanted}"; Gateways select: ${names.length === 0 ? 'none' : names.join(', ')}`);
  }
  if (second !== undefined) return err(`there are several gateways (${names.join(', ')}); choose one with --gateway`);
  const pod = podOf(snapshot, first.labels, wantedNamespace);
  if (pod !== undefined) return ok(pod);
  return ok(gatewayProxy(first.name, wantedNamespace ?? snapshot.rootNamespace, first.labels, snapshot.domain));
}

function podOf(snapshot: MeshSnapshot, labels: Labels, namespace: string | undefined): MeshProxy | undefined {
  const wanted = Object.entries(labels);
  if (wanted.length === 0) return undefined;
  for (const service of snapshot.services) {
    for (const endpoint of snapshot.allEndpoints(service)) {
      if (namespace !== undefined && endpoint.namespace !== namespace) continue;
      if (wanted.every(([key, value]) => endpoint.labels[key] === value)) {
        const proxy = proxyBeside(endpoint, snapshot.domain);
        return { ...proxy, type: 'router', id: proxy.id.replace('sidecar~', 'router~') };
      }
    }
  }
  return undefined;
}
