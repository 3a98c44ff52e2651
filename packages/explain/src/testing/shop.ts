import { decodeAny, readYamlObjects } from '@xebec/config';
import { createSnapshot, type MeshSnapshot } from '@xebec/model';
import { KubernetesRegistry, plannedChanges, REGISTRY_KINDS } from '@xebec/platforms';
import { decodeMeshConfig } from '@xebec/schemas';

const workload = (name: string, app: string, version: string, inject = 'true') => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}}
spec:
  template:
    metadata: {labels: {app: ${app}, version: ${version}, sidecar.istio.io/inject: "${inject}"}}
    spec: {serviceAccountName: ${app}, containers: [{ports: [{containerPort: 9080}]}]}`;

const service = (name: string, port: string) => `
apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec: {selector: {app: ${name}}, ports: [${port}]}`;

/** A shop: `web` calls `reviews` (v1, v2) and `store` (TCP); `legacy` has no sidecar. */
const SHOP = [
  workload('web', 'web', 'v1'),
  workload('reviews-v1', 'reviews', 'v1'),
  workload('reviews-v2', 'reviews', 'v2'),
  workload('store', 'store', 'v1'),
  workload('legacy', 'legacy', 'v1', 'false'),
  service('web', '{port: 80, name: http, targetPort: 9080}'),
  service('reviews', '{port: 9080, name: http}'),
  service('store', '{port: 6000, name: tcp, targetPort: 9080}'),
  service('legacy', '{port: 80, name: http, targetPort: 9080}'),
];

/** The shop with rules of a test's own; lines count within `rules`. */
export function shop(rules: string, meshConfig: unknown = {}): MeshSnapshot {
  const mesh = decodeMeshConfig(meshConfig);
  if (!mesh.ok) throw new Error(JSON.stringify(mesh.error));
  const manifests = readYamlObjects(SHOP.join('\n---')).objects.map(({ value }) => value);
  const registry = new KubernetesRegistry('cluster.local');
  const { objects } = readYamlObjects(rules);
  registry.apply(plannedChanges([...manifests, ...objects.map(({ value }) => value)]));
  const config = objects.flatMap(({ value, line, fieldLines }) => {
    const decoded = decodeAny(value, { defaultNamespace: 'default', source: { file: 'rules.yaml', line, fieldLines } });
    if (!decoded.ok) throw new Error(JSON.stringify(decoded.error));
    return decoded.value !== undefined && !REGISTRY_KINDS.has(decoded.value.kind) ? [decoded.value] : [];
  });
  return createSnapshot({
    version: 'shop',
    mesh: mesh.value,
    ...registry.view(mesh.value, config),
  });
}
