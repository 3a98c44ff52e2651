import type { JsonObject } from '@bufbuild/protobuf';
import type { KnownKind, MeshSnapshot } from '@xebec/model';
import { type ConfigReference, RULE_METADATA, referenceTo } from '@xebec/translate';

const KINDS: Readonly<Record<string, KnownKind>> = {
  'virtual-service': 'VirtualService',
  'destination-rule': 'DestinationRule',
};

type FilterMetadata = { readonly filterMetadata: { readonly [filter: string]: JsonObject } } | undefined;

/** The object (and rule) that a route's or cluster's metadata names. */
export function originsOfMetadata(snapshot: MeshSnapshot, metadata: FilterMetadata): ConfigReference[] {
  const own = metadata?.filterMetadata[RULE_METADATA];
  const config = own?.config ?? metadata?.filterMetadata.istio?.config;
  const rule = own?.rule;
  if (typeof config !== 'string') return [];
  const parts = /^\/apis\/[^/]+\/[^/]+\/namespaces\/([^/]+)\/([^/]+)\/([^/]+)$/.exec(config);
  const [, namespace = '', kebab = '', name = ''] = parts ?? [];
  // Pilot sees what was made of an Ingress, and of the Ingress its name.
  if (kebab === 'ingress') return [{ kind: 'Ingress', namespace, name, ...(typeof rule === 'string' ? { rule } : {}) }];
  const kind = KINDS[kebab];
  if (kind === undefined) return [];
  return [referenceOf(snapshot, kind, namespace, name, typeof rule === 'string' ? rule : undefined)];
}

/** `ns[default]-policy[deny-post]-rule[0]`, which is how authorization policies name their RBAC policies. */
export function originOfPolicy(snapshot: MeshSnapshot, policy: string): ConfigReference[] {
  const parts = /^ns\[([^\]]+)\]-policy\[([^\]]+)\]-rule\[(\d+)\]/.exec(policy);
  if (parts === null) return [];
  const [, namespace = '', name = '', rule = '0'] = parts;
  return [referenceOf(snapshot, 'AuthorizationPolicy', namespace, name, `spec.rules[${rule}]`)];
}

/** A reference with file and line where the object is known, and by its name alone where it is not. */
export function referenceOf(snapshot: MeshSnapshot, kind: KnownKind, namespace: string, name: string, rule?: string): ConfigReference {
  const object = snapshot.config.in(kind, namespace).find((candidate) => candidate.metadata.name === name);
  if (object !== undefined) return referenceTo(object, rule);
  return { kind, namespace, name, ...(rule === undefined ? {} : { rule }) };
}
