import { type Dashboard, proxies, type Variable } from './dashboard.ts';
import { lines, sizes, vitals, whoFails } from './traffic-panels.ts';

const requests = 'istio_requests_total';
const namespace: Variable = {
  name: 'namespace',
  label: 'Namespace',
  metric: `${requests}{job=~"$job"}`,
  from: 'destination_workload_namespace',
  several: false,
};
const client = 'reporter="source", job=~"$job"';
const server = 'reporter="destination", job=~"$job"';

/** Everything at once: the page to open first. */
export const meshDashboard: Dashboard = {
  uid: 'xebec-mesh',
  title: 'Xebec · Mesh',
  description: 'The whole mesh at a glance, as the clients’ proxies report it.',
  variables: [proxies],
  rows: [
    { title: 'Now', panels: vitals(client) },
    { title: 'Failures', panels: [whoFails(client)] },
    { title: 'Services', panels: lines('by service', client, 'destination_service_name') },
    {
      title: 'Trust',
      panels: [
        {
          title: 'Requests without mutual TLS',
          kind: 'timeseries',
          unit: 'reqps',
          width: 12,
          queries: [
            {
              expr: `sum by (source_workload, destination_workload) (rate(istio_requests_total{${server}, connection_security_policy!="mutual_tls"}[$__rate_interval]))`,
              legend: '{{source_workload}} → {{destination_workload}}',
            },
          ],
          description: 'Plain-text calls that servers accepted. `unknown` is a caller outside of the mesh.',
          emptyWhen: 'all calls are encrypted',
        },
        {
          title: 'Seconds until the first certificate of a proxy ends',
          kind: 'timeseries',
          unit: 's',
          width: 12,
          queries: [{ expr: 'min by (namespace, pod) (istio_agent_cert_expiry_seconds)', legend: '{{namespace}}/{{pod}}' }],
          description: 'Proxies renew at half of the life. A line that keeps falling below that is a proxy that cannot reach Citadel.',
        },
      ],
    },
    {
      title: 'Outside of the mesh',
      panels: [
        {
          title: 'Calls to hosts that the mesh does not know',
          kind: 'timeseries',
          unit: 'reqps',
          width: 24,
          queries: [
            {
              expr: `sum by (source_workload, destination_service_name, destination_service) (rate(istio_requests_total{${client}, destination_service_name=~"PassthroughCluster|BlackHoleCluster"}[$__rate_interval]))`,
              legend: '{{source_workload}} → {{destination_service}} ({{destination_service_name}})',
            },
          ],
          description: 'Let through (PassthroughCluster) or refused (BlackHoleCluster) by `outboundTrafficPolicy`.',
          emptyWhen: 'nobody calls a host that no service or ServiceEntry names',
        },
      ],
    },
  ],
};

/** One service: what its callers see, and which of its workloads is to blame. */
export const serviceDashboard: Dashboard = {
  uid: 'xebec-service',
  title: 'Xebec · Service',
  description: 'One service, as its callers see it and as its workloads see themselves.',
  variables: [
    proxies,
    { name: 'service', label: 'Service', metric: `${requests}{job=~"$job"}`, from: 'destination_service', several: false },
  ],
  rows: [
    { title: 'As callers see it', panels: vitals(`${client}, destination_service="$service"`) },
    { title: 'Failures', panels: [whoFails(`${client}, destination_service="$service"`)] },
    { title: 'Callers', panels: lines('by caller', `${client}, destination_service="$service"`, 'source_workload') },
    { title: 'Workloads behind it', panels: lines('by workload', `${server}, destination_service="$service"`, 'destination_workload') },
    { title: 'Bytes and messages', panels: sizes(`${client}, destination_service="$service"`, 'source_workload') },
  ],
};

/** One workload: what comes in, what it calls. */
export const workloadDashboard: Dashboard = {
  uid: 'xebec-workload',
  title: 'Xebec · Workload',
  description: 'One workload: what it answers, and what it asks of others.',
  variables: [
    proxies,
    namespace,
    {
      name: 'workload',
      label: 'Workload',
      metric: `${requests}{job=~"$job", destination_workload_namespace="$namespace"}`,
      from: 'destination_workload',
      several: false,
    },
  ],
  rows: [
    { title: 'What it answers', panels: vitals(`${server}, ${of('destination')}`) },
    { title: 'Callers', panels: lines('by caller', `${server}, ${of('destination')}`, 'source_workload') },
    {
      title: 'What it asks of others',
      panels: lines('by service', `${client}, ${of('source')}`, 'destination_service_name').map(quietLeaf),
    },
    { title: 'Bytes and messages', panels: sizes(`${server}, ${of('destination')}`, 'source_workload') },
  ],
};

function of(end: 'source' | 'destination'): string {
  return `${end}_workload="$workload", ${end}_workload_namespace="$namespace"`;
}

function quietLeaf<T extends { readonly emptyWhen?: string }>(panel: T): T & { readonly emptyWhen: string } {
  return { ...panel, emptyWhen: panel.emptyWhen ?? 'it calls no service' };
}
