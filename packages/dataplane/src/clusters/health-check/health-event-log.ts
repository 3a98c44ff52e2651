import { appendFile } from 'node:fs';
import type { Logger } from '@xebec/core';
import type { Host } from '../host.ts';
import type { HealthCheckConfig } from './health-check-config.ts';
import type { HealthTransition } from './health-session.ts';
import type { ProbeResult } from './probe.ts';

/** Appends Envoy's health check events (envoy.data.core.v3.HealthCheckEvent) to a file, a line of JSON each. */
export class HealthEventLog {
  readonly #path: string;
  readonly #config: HealthCheckConfig;
  readonly #clusterName: string;
  readonly #now: () => number;
  readonly #logger: Logger;

  constructor(path: string, config: HealthCheckConfig, clusterName: string, now: () => number, logger: Logger) {
    this.#path = path;
    this.#config = config;
    this.#clusterName = clusterName;
    this.#now = now;
    this.#logger = logger;
  }
  record(host: Host, result: ProbeResult, transition: HealthTransition): void {
    const { logsFailures, logsSuccesses } = this.#config;
    if (result.kind === 'success') {
      if (transition.changed) this.#write(host, { add_healthy_event: { first_check: transition.first } });
      if (transition.degradedChanged) this.#write(host, result.degraded ? { degraded_healthy_host: {} } : { no_longer_degraded_host: {} });
      if (logsSuccesses) this.#write(host, { successful_health_check_event: {} });
      return;
    }
    if (transition.changed) this.#write(host, { eject_unhealthy_event: { failure_type: result.failure } });
    if (transition.first || logsFailures)
      this.#write(host, { health_check_failure_event: { failure_type: result.failure, first_check: transition.first } });
  }
  #write(host: Host, event: object): void {
    const { address, locality } = host.config;
    const line = {
      health_checker_type: this.#config.probe.kind,
      host:
        address.kind === 'pipe'
          ? { pipe: { path: address.path } }
          : { socket_address: { protocol: 'TCP', address: address.address, port_value: address.port } },
      cluster_name: this.#clusterName,
      ...event,
      timestamp: new Date(this.#now()).toISOString(),
      locality: { region: locality?.region ?? '', zone: locality?.zone ?? '', sub_zone: locality?.subZone ?? '' },
    };
    appendFile(this.#path, `${JSON.stringify(line)}\n`, (error) => {
      if (error !== null) this.#logger.warn({ path: this.#path, error: error.message }, 'health check events cannot be written');
    });
  }
}
