import { expect, it } from 'vitest';
import { statusRows, statusTable } from './run.ts';

const CLUSTER = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';
const LISTENER = 'type.googleapis.com/envoy.config.listener.v3.Listener';
const ROUTE = 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration';
const EXTENSION = 'type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig';

const rows = statusRows(
  [
    {
      proxy: 'sidecar~10.1.0.5~reviews-v1-abc.default~default.svc.cluster.local',
      cluster_id: 'Kubernetes',
      istio_version: '1.32.0',
      resources: {
        [CLUSTER]: { sent: 'n2', acked: 'n2' },
        [LISTENER]: { sent: 'n3', acked: 'n1' },
        [ROUTE]: { sent: 'n4', acked: 'n1', lastError: 'no such cluster' },
        [EXTENSION]: { sent: '' },
      },
    },
  ],
  'pilot-1',
);

it('names the states of each type as istioctl does', () => {
  expect(rows).toEqual([
    {
      name: 'reviews-v1-abc.default',
      cluster: 'Kubernetes',
      cds: 'SYNCED',
      lds: 'STALE',
      eds: 'IGNORED',
      rds: 'ERROR',
      ecds: 'NOT SENT',
      istiod: 'pilot-1',
      version: '1.32.0',
      errors: { rds: 'no such cluster' },
    },
  ]);
});

it('prints the columns of istioctl, and says why something is refused when asked', () => {
  const [header, row, error] = statusTable(rows, true).split('\n');
  expect(header?.split(/\s{2,}/)).toEqual(['NAME', 'CLUSTER', 'CDS', 'LDS', 'EDS', 'RDS', 'ECDS', 'ISTIOD', 'VERSION']);
  expect(row?.split(/\s{2,}/)[6]).toBe('NOT SENT');
  expect(error).toBe('reviews-v1-abc.default refuses RDS: no such cluster');
});
