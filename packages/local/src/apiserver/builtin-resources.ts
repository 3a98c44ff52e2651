import { ALL_VERBS, type Resource } from './resource.ts';

interface Extra {
  readonly short?: readonly string[];
  readonly all?: boolean;
  readonly sub?: readonly string[];
  readonly verbs?: readonly string[];
  readonly plural?: string;
}

function define(groupVersion: string, kind: string, namespaced: boolean, extra: Extra = {}): Resource {
  const slash = groupVersion.indexOf('/');
  const group = slash < 0 ? '' : groupVersion.slice(0, slash);
  const version = groupVersion.slice(slash + 1);
  const lower = kind.toLowerCase();
  const plural = extra.plural ?? (lower.endsWith('ss') ? `${lower}es` : lower.endsWith('y') ? `${lower.slice(0, -1)}ies` : `${lower}s`);
  return {
    group,
    kind,
    listKind: `${kind}List`,
    plural,
    singular: lower,
    shortNames: extra.short ?? [],
    categories: extra.all === true ? ['all'] : [],
    namespaced,
    versions: [{ name: version }],
    storageVersion: version,
    verbs: extra.verbs ?? ALL_VERBS,
    subresources: extra.sub ?? [],
    custom: false,
    id: group === '' ? plural : `${plural}.${group}`,
  };
}

const STATUS = ['status'] as const;
const WORKLOAD = ['status', 'scale'] as const;
const POD_SUBRESOURCES = ['attach', 'binding', 'ephemeralcontainers', 'eviction', 'exec', 'log', 'portforward', 'status'] as const;

/** Kinds that are answered and never stored. */
const REVIEW = { verbs: ['create'] } as const;

/** Every built-in kind, with the names that kubectl knows it by. */
export const BUILTIN_RESOURCES: readonly Resource[] = [
  define('v1', 'Binding', true, REVIEW),
  define('v1', 'ConfigMap', true, { short: ['cm'] }),
  define('v1', 'Endpoints', true, { short: ['ep'], plural: 'endpoints' }),
  define('v1', 'Event', true, { short: ['ev'] }),
  define('v1', 'LimitRange', true, { short: ['limits'] }),
  define('v1', 'Namespace', false, { short: ['ns'], sub: ['finalize', 'status'] }),
  define('v1', 'Node', false, { short: ['no'], sub: STATUS }),
  define('v1', 'PersistentVolumeClaim', true, { short: ['pvc'], sub: STATUS }),
  define('v1', 'PersistentVolume', false, { short: ['pv'], sub: STATUS }),
  define('v1', 'Pod', true, { short: ['po'], all: true, sub: POD_SUBRESOURCES }),
  define('v1', 'PodTemplate', true),
  define('v1', 'ResourceQuota', true, { short: ['quota'], sub: STATUS }),
  define('v1', 'Secret', true),
  define('v1', 'ServiceAccount', true, { short: ['sa'], sub: ['token'] }),
  define('v1', 'Service', true, { short: ['svc'], all: true, sub: STATUS }),
  define('admissionregistration.k8s.io/v1', 'MutatingWebhookConfiguration', false),
  define('admissionregistration.k8s.io/v1', 'ValidatingWebhookConfiguration', false),
  define('apiextensions.k8s.io/v1', 'CustomResourceDefinition', false, { short: ['crd', 'crds'], sub: STATUS }),
  define('apps/v1', 'ControllerRevision', true),
  define('apps/v1', 'DaemonSet', true, { short: ['ds'], all: true, sub: STATUS }),
  define('apps/v1', 'Deployment', true, { short: ['deploy'], all: true, sub: WORKLOAD }),
  define('apps/v1', 'ReplicaSet', true, { short: ['rs'], all: true, sub: WORKLOAD }),
  define('apps/v1', 'StatefulSet', true, { short: ['sts'], all: true, sub: WORKLOAD }),
  define('authentication.k8s.io/v1', 'SelfSubjectReview', false, REVIEW),
  define('authentication.k8s.io/v1', 'TokenReview', false, REVIEW),
  define('authorization.k8s.io/v1', 'LocalSubjectAccessReview', true, REVIEW),
  define('authorization.k8s.io/v1', 'SelfSubjectAccessReview', false, REVIEW),
  define('authorization.k8s.io/v1', 'SelfSubjectRulesReview', false, REVIEW),
  define('authorization.k8s.io/v1', 'SubjectAccessReview', false, REVIEW),
  define('autoscaling/v2', 'HorizontalPodAutoscaler', true, { short: ['hpa'], all: true, sub: STATUS }),
  define('batch/v1', 'CronJob', true, { short: ['cj'], all: true, sub: STATUS }),
  define('batch/v1', 'Job', true, { all: true, sub: STATUS }),
  define('certificates.k8s.io/v1', 'CertificateSigningRequest', false, { short: ['csr'], sub: ['approval', 'status'] }),
  define('coordination.k8s.io/v1', 'Lease', true),
  define('discovery.k8s.io/v1', 'EndpointSlice', true),
  define('networking.k8s.io/v1', 'IngressClass', false),
  define('networking.k8s.io/v1', 'Ingress', true, { short: ['ing'], sub: STATUS }),
  define('networking.k8s.io/v1', 'NetworkPolicy', true, { short: ['netpol'] }),
  define('policy/v1', 'PodDisruptionBudget', true, { short: ['pdb'], sub: STATUS }),
  define('rbac.authorization.k8s.io/v1', 'ClusterRoleBinding', false),
  define('rbac.authorization.k8s.io/v1', 'ClusterRole', false),
  define('rbac.authorization.k8s.io/v1', 'RoleBinding', true),
  define('rbac.authorization.k8s.io/v1', 'Role', true),
  define('scheduling.k8s.io/v1', 'PriorityClass', false, { short: ['pc'] }),
  define('storage.k8s.io/v1', 'StorageClass', false, { short: ['sc'] }),
];
