import type { Clock } from '@xebec/core';
import type { CertificateManager } from './certificate-manager.ts';
import type { ClockWatch } from './clock-watch.ts';
import type { FileSecrets } from './secrets/file-secrets.ts';

export interface AgentMetricsSource {
  readonly certificates: CertificateManager;
  readonly clockWatch: ClockWatch | undefined;
  readonly files: FileSecrets;
  readonly clock: Clock;
  pilotConnected(): boolean;
  /** Undefined where no trust stream is wanted. */
  trustConnected(): boolean | undefined;
}

/** The agent's own metrics in Prometheus text, by the names of Istio's agent where it has them. */
export function agentMetrics(source: AgentMetricsSource): string {
  const { certificates, files, clock } = source;
  const lines: string[] = [];
  const metric = (type: 'gauge' | 'counter', name: string, value: number | bigint, labels = '') => {
    lines.push(`# TYPE istio_agent_${name} ${type}`, `istio_agent_${name}${labels} ${value}`);
  };
  metric('gauge', 'pilot_connected', source.pilotConnected() ? 1 : 0);
  const offsetMs = source.clockWatch?.offsetMs() ?? 0;
  const certificate = certificates.current();
  if (certificate !== undefined) {
    const leftMs = certificate.notAfter - clock.now() - offsetMs;
    metric('gauge', 'cert_expiry_seconds', leftMs / 1000, '{resource_name="default"}');
  }
  const { requests, failures, latencyMs, rotations } = certificates.statistics();
  const csr = '{request_type="csr"}';
  metric('counter', 'num_outgoing_requests', requests, csr);
  metric('counter', 'num_failed_outgoing_requests', failures, csr);
  lines.push('# TYPE istio_agent_outgoing_latency summary');
  lines.push(`istio_agent_outgoing_latency_sum${csr} ${latencyMs}`, `istio_agent_outgoing_latency_count${csr} ${requests}`);
  metric('counter', 'cert_rotations_total', rotations);
  const file = files.failures();
  metric('counter', 'num_file_secret_failures_total', file.secrets);
  metric('counter', 'num_file_watcher_failures_total', file.watcher);
  metric('gauge', 'file_secrets_broken', files.states().filter(({ error }) => error !== undefined).length);
  if (source.clockWatch !== undefined) metric('gauge', 'ca_clock_offset_seconds', offsetMs / 1000);
  const connected = source.trustConnected();
  if (connected !== undefined) metric('gauge', 'trust_stream_connected', connected ? 1 : 0);
  const trust = certificates.trust.current();
  if (trust !== undefined) {
    metric('gauge', 'trust_bundle_version', trust.bundleVersion);
    metric(
      'gauge',
      'trust_roots',
      trust.domains.reduce((sum, domain) => sum + domain.roots.length, 0),
    );
  }
  return `${lines.join('\n')}\n`;
}
