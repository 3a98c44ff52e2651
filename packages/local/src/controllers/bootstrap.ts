import type { KubeObject } from '../apiserver/object.ts';
import type { ControllerClient } from './client.ts';

const RBAC = 'rbac.authorization.k8s.io';
const EVERYTHING = [
  { apiGroups: ['*'], resources: ['*'], verbs: ['*'] },
  { nonResourceURLs: ['*'], verbs: ['*'] },
];
const READ = ['get', 'list', 'watch'];

/** Creates what every cluster has: its namespaces, the roles that charts refer to, and the `kubernetes` service. */
export async function bootstrapCluster(client: ControllerClient, apiServiceIp: string, securePort: number, apiHost: string): Promise<void> {
  for (const name of ['default', 'kube-system', 'kube-public', 'kube-node-lease']) {
    await client.ensure('namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  }
  const role = (name: string, rules: object[]): KubeObject => ({
    apiVersion: `${RBAC}/v1`,
    kind: 'ClusterRole',
    metadata: { name, labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults' } },
    rules,
  });
  await client.ensure(`clusterroles.${RBAC}`, role('cluster-admin', EVERYTHING));
  await client.ensure(
    `clusterroles.${RBAC}`,
    role('view', [{ apiGroups: ['', 'apps', 'batch', 'networking.k8s.io', 'discovery.k8s.io'], resources: ['*'], verbs: READ }]),
  );
  await client.ensure(
    `clusterroles.${RBAC}`,
    role('system:auth-delegator', [
      { apiGroups: ['authentication.k8s.io'], resources: ['tokenreviews'], verbs: ['create'] },
      { apiGroups: ['authorization.k8s.io'], resources: ['subjectaccessreviews'], verbs: ['create'] },
    ]),
  );
  await client.ensure(`clusterrolebindings.${RBAC}`, {
    apiVersion: `${RBAC}/v1`,
    kind: 'ClusterRoleBinding',
    metadata: { name: 'cluster-admin' },
    roleRef: { apiGroup: RBAC, kind: 'ClusterRole', name: 'cluster-admin' },
    subjects: [{ apiGroup: RBAC, kind: 'Group', name: 'system:masters' }],
  });
  await client.ensure('services', {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'kubernetes', namespace: 'default', labels: { component: 'apiserver', provider: 'kubernetes' } },
    spec: { type: 'ClusterIP', clusterIP: apiServiceIp, ports: [{ name: 'https', port: 443, protocol: 'TCP', targetPort: securePort }] },
  });
  const ports = [{ name: 'https', port: securePort, protocol: 'TCP' }];
  const slice: KubeObject = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'kubernetes', namespace: 'default', labels: { 'kubernetes.io/service-name': 'kubernetes' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: [apiHost], conditions: { ready: true } }],
    ports,
  };
  const endpoints: KubeObject = {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: { name: 'kubernetes', namespace: 'default' },
    subsets: [{ addresses: [{ ip: apiHost }], ports }],
  };
  // The port and address may be others than at the last start.
  for (const [id, object] of [
    ['endpointslices.discovery.k8s.io', slice],
    ['endpoints', endpoints],
  ] as const) {
    const existing = client.get(id, 'default', 'kubernetes');
    if (existing === undefined) await client.ensure(id, object);
    else await client.update(id, { ...object, metadata: existing.metadata });
  }
}
