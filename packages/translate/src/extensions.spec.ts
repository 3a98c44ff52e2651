import { describe, expect, it } from 'vitest';
import { ALPN, METADATA_EXCHANGE, MIXER, STATS } from './extensions.ts';
import { render } from './testing/scenario.ts';

const node = (extensions: string[]) => ({
  id: 'sidecar~10.0.0.1~shop.default~default.svc.cluster.local',
  extensions: extensions.map((name) => ({ name })),
  metadata: { LABELS: { app: 'shop' } },
});
const services = [
  {
    host: 'shop.default.svc.cluster.local',
    address: '10.96.0.1',
    ports: [{ name: 'http', number: 80, targetPort: 8080 }],
    selector: { app: 'shop' },
  },
  {
    host: 'istio-mixer.istio-system.svc.cluster.local',
    address: '10.96.0.2',
    ports: [{ name: 'grpc', number: 9091 }],
    selector: { istio: 'mixer' },
  },
];
const mesh = { mixerReportServer: 'istio-mixer.istio-system.svc.cluster.local:9091' };
const sent = (extensions: string[]) => JSON.stringify(render({ node: node(extensions), services, mesh }));

describe('filters that a stock Envoy lacks', () => {
  it.each([METADATA_EXCHANGE, ALPN, STATS, MIXER])('%s goes only to a proxy that lists it', (name) => {
    expect(sent([])).not.toContain(`"${name}"`);
    expect(sent([name])).toContain(`"${name}"`);
  });
});
