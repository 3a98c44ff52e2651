import type { Panel, Query } from './dashboard.ts';

const rateOf = (metric: string, selector: string) => `rate(${metric}{${selector}}[$__rate_interval])`;
/** Requests that failed: 5xx, no answer at all, or a gRPC status other than OK. */
const failed = (selector: string) =>
  `(sum(${rateOf('istio_requests_total', `${selector}, response_code=~"5..|0"`)}) or vector(0)) + (sum(${rateOf('istio_requests_total', `${selector}, request_protocol="grpc", response_code!~"5..|0", grpc_response_status!~"0?"`)}) or vector(0))`;

/** The three questions of the first ten seconds: how much, how well, how fast. */
export function vitals(selector: string): Panel[] {
  const requests = `sum(${rateOf('istio_requests_total', selector)})`;
  return [
    {
      title: 'Requests',
      kind: 'stat',
      unit: 'reqps',
      width: 5,
      queries: [{ expr: requests, legend: '' }],
      description: 'HTTP and gRPC requests a second.',
    },
    {
      title: 'Success rate',
      kind: 'stat',
      unit: 'percentunit',
      width: 5,
      queries: [{ expr: `1 - (${failed(selector)}) / ${requests}`, legend: '' }],
      description: 'Share of requests without 5xx, lost answer or failed gRPC status. Red: look at “Who fails”.',
      limits: [0.999, 0.99],
    },
    ...(['0.5', '0.99'] as const).map(
      (share): Panel => ({
        title: share === '0.5' ? 'Median latency' : '99th percentile',
        kind: 'stat',
        unit: 'ms',
        width: 5,
        queries: [{ expr: quantile(share, selector, ''), legend: '' }],
        description: 'Time from the first byte of a request to the last byte of its answer, as the proxy sees it.',
      }),
    ),
    {
      title: 'TCP connections open',
      kind: 'stat',
      unit: 'short',
      width: 4,
      queries: [
        {
          expr: `sum(istio_tcp_connections_opened_total{${selector}}) - (sum(istio_tcp_connections_closed_total{${selector}}) or vector(0))`,
          legend: '',
        },
      ],
      description: 'Connections that were opened and not yet closed.',
      emptyWhen: 'no TCP service has been called',
    },
  ];
}

export function quantile(share: string, selector: string, by: string): string {
  const labels = by === '' ? 'le' : `le, ${by}`;
  return `histogram_quantile(${share}, sum by (${labels}) (${rateOf('istio_request_duration_milliseconds_bucket', selector)}))`;
}

/** Lines by some label: rate, failures, latency. */
export function lines(title: string, selector: string, by: string): Panel[] {
  const legend = by
    .split(', ')
    .map((label) => `{{${label}}}`)
    .join(' ');
  const latency = (share: string): Query => ({ expr: quantile(share, selector, by), legend: `${legend} p${Number(share) * 100}` });
  return [
    {
      title: `Requests ${title}`,
      kind: 'timeseries',
      unit: 'reqps',
      width: 8,
      queries: [{ expr: `sum by (${by}) (${rateOf('istio_requests_total', selector)})`, legend }],
      description: 'Requests a second.',
    },
    {
      title: `Failures ${title}`,
      kind: 'timeseries',
      unit: 'reqps',
      width: 8,
      queries: [
        {
          expr: `sum by (${by}, response_code, response_flags) (${rateOf('istio_requests_total', `${selector}, response_code=~"5..|0"`)})`,
          legend: `${legend} {{response_code}} {{response_flags}}`,
        },
      ],
      description:
        '5xx and lost answers a second. The flags say whose fault it is: UF and UC are connections, UH no healthy host, UT a time-out, NR no route, UAEX authorization.',
      emptyWhen: 'nothing has failed',
    },
    {
      title: `Latency ${title}`,
      kind: 'timeseries',
      unit: 'ms',
      width: 8,
      queries: [latency('0.5'), latency('0.99')],
      description: 'Median and 99th percentile.',
    },
  ];
}

export function whoFails(selector: string): Panel {
  return {
    title: 'Who fails',
    kind: 'table',
    unit: 'reqps',
    width: 24,
    queries: [
      {
        expr: `topk(20, sum by (source_workload, source_workload_namespace, destination_service, destination_workload, response_code, response_flags) (${rateOf('istio_requests_total', `${selector}, response_code=~"5..|0"`)}) > 0)`,
        legend: '',
      },
    ],
    description: 'The twenty pairs that fail most, by requests a second: start here.',
    emptyWhen: 'nothing fails',
  };
}

export function sizes(selector: string, by: string): Panel[] {
  const size = (metric: string): Query => ({
    expr: `sum by (${by}) (${rateOf(`${metric}_sum`, selector)}) / sum by (${by}) (${rateOf(`${metric}_count`, selector)})`,
    legend: `{{${by}}} ${metric === 'istio_request_bytes' ? 'requests' : 'answers'}`,
  });
  return [
    {
      title: 'Mean size',
      kind: 'timeseries',
      unit: 'bytes',
      width: 8,
      queries: [size('istio_request_bytes'), size('istio_response_bytes')],
      description: 'Bytes of bodies.',
    },
    {
      title: 'gRPC messages',
      kind: 'timeseries',
      unit: 'ops',
      width: 8,
      queries: ['request', 'response'].map((way) => ({
        expr: `sum by (${by}) (${rateOf(`istio_${way}_messages_total`, selector)})`,
        legend: `{{${by}}} ${way}s`,
      })),
      description: 'Messages a second within gRPC calls.',
      emptyWhen: 'no gRPC service has been called',
    },
    {
      title: 'TCP bytes',
      kind: 'timeseries',
      unit: 'Bps',
      width: 8,
      queries: ['sent', 'received'].map((way) => ({
        expr: `sum by (${by}) (${rateOf(`istio_tcp_${way}_bytes_total`, selector)})`,
        legend: `{{${by}}} ${way}`,
      })),
      description: 'Sent is to the client, received is from it.',
      emptyWhen: 'no TCP service has been called',
    },
  ];
}
