import type { Dashboard, Panel, Query, Unit } from './dashboard.ts';

const series = (title: string, unit: Unit, queries: readonly Query[], description: string, emptyWhen?: string): Panel => ({
  title,
  kind: 'timeseries',
  unit,
  width: 8,
  queries,
  description,
  ...(emptyWhen === undefined ? {} : { emptyWhen }),
});
const number = (title: string, unit: Unit, expr: string, description: string, limits?: Panel['limits']): Panel => ({
  title,
  kind: 'stat',
  unit,
  width: 4,
  queries: [{ expr, legend: '' }],
  description,
  ...(limits === undefined ? {} : { limits }),
});
const rate = (metric: string, by: string) => ({ expr: `sum by (${by}) (rate(${metric}[$__rate_interval]))`, legend: `{{${by}}}` });
const p99 = (metric: string, by: string): Query => ({
  expr: `histogram_quantile(0.99, sum by (le${by === '' ? '' : `, ${by}`}) (rate(${metric}_bucket[$__rate_interval])))`,
  legend: by === '' ? 'p99' : `{{${by}}} p99`,
});

/** Pilot, Citadel, Galley and Mixer: can the mesh be changed, and does what changes arrive? */
export const controlPlaneDashboard: Dashboard = {
  uid: 'xebec-control-plane',
  title: 'Xebec · Control plane',
  description: 'Pilot, Citadel, Galley and Mixer. While it is away, proxies go on with what they have.',
  variables: [],
  rows: [
    {
      title: 'Now',
      panels: [
        number('Processes up', 'short', 'count(up{job="control-plane"} == 1)', 'Control-plane processes that answered the last scrape.'),
        number('Proxies connected', 'short', 'sum(pilot_xds)', 'Streams to pilot.'),
        number(
          'Proxies without pilot',
          'short',
          'count(istio_agent_pilot_connected == 0) or vector(0)',
          'They run on, with the configuration of the last connection.',
          [1, 3],
        ),
        number(
          'Refused pushes',
          'short',
          'sum(pilot_total_xds_rejects) or vector(0)',
          'Configuration that a proxy did not take: `xebec proxy-status` names it.',
          [1, 2],
        ),
        number(
          'Refused objects',
          'short',
          'sum(increase(galley_validation_failed[10m])) or vector(0)',
          'Objects that admission turned away in ten minutes.',
          [10, 100],
        ),
        number(
          'Days left of the root',
          'short',
          'min(citadel_server_root_cert_expiry_seconds) / 86400',
          'Rotate the root well before: docs/guides/root-rotation.md.',
          [90, 30],
        ),
      ],
    },
    {
      title: 'Pilot',
      panels: [
        series('Pushes', 'ops', [rate('pilot_xds_pushes', 'type')], 'Responses to proxies by type.'),
        series(
          'Time until a change is at all proxies',
          's',
          [p99('pilot_proxy_convergence_time', '')],
          'From the event to the push to the last proxy.',
        ),
        series('What caused pushes', 'ops', [rate('pilot_push_triggers', 'type')], 'Much “endpoint” is pods that come and go.'),
        series('Events', 'ops', [rate('pilot_inbound_updates', 'type')], 'Changes that reached pilot.'),
        series(
          'Services and routes',
          'short',
          [
            { expr: 'max(pilot_services)', legend: 'services' },
            { expr: 'max(pilot_virt_services)', legend: 'virtual services' },
          ],
          'What pilot knows.',
        ),
        series(
          'Conflicts',
          'short',
          [
            'pilot_conflict_inbound_listener',
            'pilot_conflict_outbound_listener_tcp_over_current_tcp',
            'pilot_eds_no_instances',
            'pilot_no_ip',
          ].map((metric) => ({
            expr: `max(${metric})`,
            legend: metric,
          })),
          'Each above zero is a mistake in somebody’s configuration: `xebec analyze` says whose.',
        ),
      ],
    },
    {
      title: 'Citadel',
      panels: [
        series(
          'Certificates issued',
          'ops',
          [{ expr: 'sum(rate(citadel_server_success_cert_issuance_count[$__rate_interval]))', legend: 'issued' }],
          'Each proxy asks twice in a certificate’s life.',
        ),
        series(
          'Requests refused',
          'ops',
          ['authentication_failure_count', 'csr_parsing_err_count', 'id_extraction_err_count'].map((metric) => ({
            expr: `sum(rate(citadel_server_${metric}[$__rate_interval]))`,
            legend: metric,
          })),
          'Somebody asks for what is not theirs, or with a token that has ended.',
        ),
        series(
          'Proxies’ failed requests',
          'ops',
          [{ expr: 'sum by (pod) (rate(istio_agent_num_failed_outgoing_requests[$__rate_interval]))', legend: '{{pod}}' }],
          'As the agents see it.',
        ),
      ],
    },
    {
      title: 'Galley',
      panels: [
        series(
          'Objects checked',
          'ops',
          [
            { expr: 'sum(rate(galley_validation_passed[$__rate_interval]))', legend: 'passed' },
            { expr: 'sum(rate(galley_validation_failed[$__rate_interval]))', legend: 'refused' },
          ],
          'Admission of configuration.',
          'nothing has been applied since Galley started',
        ),
        series(
          'Objects',
          'short',
          [{ expr: 'sum by (collection) (galley_runtime_state_type_instances_total)', legend: '{{collection}}' }],
          'What Galley distributes.',
        ),
        series(
          'Answers of sinks',
          'ops',
          [
            { expr: 'sum(rate(galley_mcp_source_request_acks_total[$__rate_interval]))', legend: 'accepted' },
            { expr: 'sum(rate(galley_mcp_source_request_nacks_total[$__rate_interval]))', legend: 'refused' },
          ],
          'By MCP.',
          'no sink is connected by MCP',
        ),
      ],
    },
    {
      title: 'Mixer',
      panels: [
        series('Requests', 'ops', [rate('mixer_requests_total', 'method')], 'Check and Report.', 'no proxy asks Mixer'),
        series('Duration', 's', [p99('mixer_request_duration_seconds', 'method')], '99th percentile.', 'no proxy asks Mixer'),
        series(
          'Adapter errors',
          'ops',
          [rate('mixer_runtime_dispatch_errors_total', 'handler')],
          'Handlers that failed.',
          'no adapter has failed',
        ),
        series(
          'Rules and handlers',
          'short',
          ['rules', 'handlers', 'instances', 'problems'].map((name) => ({ expr: `max(mixer_config_${name})`, legend: name })),
          '`problems` are objects that Mixer could not use; its log names them.',
        ),
      ],
    },
    { title: 'Processes', panels: processes('job="control-plane"', 'app') },
  ],
};

function processes(selector: string, by: string): Panel[] {
  return [
    series('CPU', 'cores', [rate(`process_cpu_seconds_total{${selector}}`, by)], 'Cores.'),
    series('Memory', 'bytes', [{ expr: `max by (${by}) (process_resident_memory_bytes{${selector}})`, legend: `{{${by}}}` }], 'Resident.'),
    series(
      'Event loop lag',
      's',
      [{ expr: `max by (${by}) (nodejs_eventloop_lag_p99_seconds{${selector}})`, legend: `{{${by}}}` }],
      'Above 0.1 s the process has more to do than one core can.',
    ),
  ];
}

/** What the proxies themselves cost, and whether they are well. */
export const performanceDashboard: Dashboard = {
  uid: 'xebec-proxies',
  title: 'Xebec · Proxies',
  description: 'What sidecars and gateways cost, and what they hold.',
  variables: [],
  rows: [
    {
      title: 'Cost',
      panels: [
        series(
          'Memory',
          'bytes',
          [{ expr: 'sum by (namespace, pod) (envoy_server_memory_allocated)', legend: '{{namespace}}/{{pod}}' }],
          'Allocated by the proxy.',
        ),
        series(
          'Open connections',
          'short',
          [{ expr: 'sum by (namespace, pod) (envoy_server_total_connections)', legend: '{{namespace}}/{{pod}}' }],
          'From clients.',
        ),
        series(
          'Uptime',
          's',
          [{ expr: 'min by (namespace, pod) (envoy_server_uptime)', legend: '{{namespace}}/{{pod}}' }],
          'A line that falls to zero is a restart.',
        ),
      ],
    },
    {
      title: 'Configuration',
      panels: [
        series(
          'Clusters',
          'short',
          [{ expr: 'max by (namespace, pod) (envoy_cluster_manager_active_clusters)', legend: '{{namespace}}/{{pod}}' }],
          'A proxy that holds hundreds wants a Sidecar object.',
        ),
        series(
          'Updates',
          'ops',
          [
            { expr: 'sum(rate(envoy_cluster_manager_cds_update_success[$__rate_interval]))', legend: 'clusters' },
            { expr: 'sum(rate(envoy_listener_manager_lds_update_success[$__rate_interval]))', legend: 'listeners' },
          ],
          'Taken in.',
        ),
        series(
          'Refused updates',
          'short',
          [
            { expr: 'sum by (pod) (envoy_cluster_manager_cds_update_rejected) > 0', legend: '{{pod}} clusters' },
            { expr: 'sum by (pod) (envoy_listener_manager_lds_update_rejected) > 0', legend: '{{pod}} listeners' },
          ],
          'The proxy goes on with what it had.',
          'all updates were taken',
        ),
      ],
    },
    {
      title: 'Upstreams',
      panels: [
        series(
          'Connection failures',
          'ops',
          [
            {
              expr: 'topk(10, sum by (pod, cluster_name) (rate(envoy_cluster_upstream_cx_connect_fail[$__rate_interval])) > 0)',
              legend: '{{pod}} → {{cluster_name}}',
            },
          ],
          'Hosts that refuse or do not answer.',
          'all connections succeed, or proxies do not show it (proxyStatsMatcher)',
        ),
        series(
          'Retries',
          'ops',
          [
            {
              expr: 'topk(10, sum by (pod, cluster_name) (rate(envoy_cluster_upstream_rq_retry[$__rate_interval])) > 0)',
              legend: '{{pod}} → {{cluster_name}}',
            },
          ],
          'Requests tried again.',
          'nothing is retried, or proxies do not show it (proxyStatsMatcher)',
        ),
        series(
          'Ejected hosts',
          'short',
          [
            {
              expr: 'sum by (pod, cluster_name) (envoy_cluster_outlier_detection_ejections_active) > 0',
              legend: '{{pod}} → {{cluster_name}}',
            },
          ],
          'Outlier detection keeps them out for a time.',
          'no host is ejected, or proxies do not show it (proxyStatsMatcher)',
        ),
      ],
    },
  ],
};
