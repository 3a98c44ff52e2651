import { expect, it } from 'vitest';
import { statusRows } from './run.ts';

it('compares what was sent with what was acknowledged', () => {
  const rows = statusRows(
    [
      {
        proxy: 'sidecar~10.244.0.7~details-v1-x.default~default.svc.cluster.local',
        cluster_id: 'Kubernetes',
        istio_version: '0.1.0',
        cluster_sent: 'a',
        cluster_acked: 'a',
        listener_sent: 'b',
        listener_acked: 'a',
      },
    ],
    'istio-pilot-1',
  );
  expect(rows).toEqual([
    {
      name: 'details-v1-x.default',
      cluster: 'Kubernetes',
      cds: 'SYNCED',
      lds: 'STALE',
      eds: 'NOT SENT',
      rds: 'NOT SENT',
      pilot: 'istio-pilot-1',
      version: '0.1.0',
    },
  ]);
});
