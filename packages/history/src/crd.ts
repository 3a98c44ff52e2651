import { type CustomResourceDefinition, toCustomResourceDefinition } from '@xebec/schemas';
import type { z } from 'zod';
import { bundleSpec, HISTORY_GROUP, HISTORY_VERSION } from './bundle.ts';
import { versionSpec } from './version.ts';

/** The CRDs of ConfigBundle and ConfigVersion. Both are cluster-scoped: what one command brings knows no namespaces. */
export function customResourceDefinitions(): readonly CustomResourceDefinition[] {
  return [
    clusterScoped('ConfigBundle', 'configbundles', 'cb', bundleSpec, [
      { name: 'Phase', type: 'string', jsonPath: '.status.phase' },
      { name: 'Version', type: 'integer', jsonPath: '.status.version' },
      { name: 'Client', type: 'string', jsonPath: '.spec.client' },
    ]),
    clusterScoped('ConfigVersion', 'configversions', 'cv', versionSpec, [
      { name: 'Author', type: 'string', jsonPath: '.spec.author' },
      { name: 'Changes', type: 'integer', jsonPath: '.spec.changes' },
      { name: 'Cause', type: 'string', jsonPath: '.spec.cause' },
    ]),
  ];
}

function clusterScoped(
  kind: string,
  plural: string,
  shortName: string,
  spec: z.ZodType,
  columns: readonly { name: string; type: 'string' | 'integer' | 'date'; jsonPath: string }[],
): CustomResourceDefinition {
  const crd = toCustomResourceDefinition({
    kind,
    group: HISTORY_GROUP,
    versions: [HISTORY_VERSION],
    plural,
    shortNames: [shortName],
    spec,
    printerColumns: [...columns, { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' }],
    collection: `xebec/config/${HISTORY_VERSION}/${plural}`,
  });
  const inner = typeof crd['spec'] === 'object' ? crd['spec'] : {};
  const names = inner !== null && 'names' in inner && typeof inner.names === 'object' ? inner.names : {};
  return { ...crd, spec: { ...inner, scope: 'Cluster', names: { ...names, categories: ['xebec'] } } };
}
