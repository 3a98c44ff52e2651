import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

export type PilotMetrics = ReturnType<typeof createPilotMetrics>;

const SECONDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 3, 5, 10, 20, 30];

/** Pilot's metrics under Istio's names. Times in seconds, sizes in bytes. */
export function createPilotMetrics(registry: Registry) {
  const registers = [registry];
  const counter = <L extends string>(name: string, help: string, ...labelNames: L[]) => new Counter({ name, help, labelNames, registers });
  const histogram = (name: string, help: string, buckets: number[]) => new Histogram({ name, help, buckets, registers });
  return {
    connections: new Gauge({ name: 'pilot_xds', help: 'Proxies connected now, by their version.', labelNames: ['version'], registers }),
    pushes: counter('pilot_xds_pushes', 'Responses sent.', 'type'),
    rejects: counter('pilot_total_xds_rejects', 'Responses that proxies refused.', 'type'),
    certificateErrors: counter('pilot_sds_certificate_errors_total', 'Certificates that were asked for and could not be given.'),
    internalErrors: counter('pilot_total_xds_internal_errors', 'Failures while building or sending configuration.'),
    triggers: counter('pilot_push_triggers', 'Pushes by what caused them.', 'type'),
    inboundUpdates: counter('pilot_inbound_updates', 'Changes received.', 'type'),
    convergence: histogram('pilot_proxy_convergence_time', 'Seconds from a change to the last response of its push to a proxy.', SECONDS),
    queueTime: histogram('pilot_proxy_queue_time', 'Seconds that a proxy waited in the push queue.', SECONDS),
    pushTime: histogram('pilot_xds_push_time', 'Seconds to build and send what one proxy gets.', SECONDS),
    debounceTime: histogram('pilot_debounce_time', 'Seconds from the first change to the push.', SECONDS),
    configSize: histogram('pilot_xds_config_size_bytes', 'Bytes of a response.', [1e3, 1e4, 1e5, 1e6, 4e6, 1e7]),
    registrations: counter('auto_registration_success_total', 'Workloads that registered themselves.'),
    registrationUpdates: counter('auto_registration_updates_total', 'Registered workloads that came back.'),
    registrationEnds: counter('auto_registration_unregister_total', 'Registered workloads that went away.'),
    registrationDeletes: counter('auto_registration_deletes_total', 'WorkloadEntries removed after their workload stayed away.'),
    registrationErrors: counter('auto_registration_errors_total', 'Registrations that failed.'),
    info: new Gauge({ name: 'pilot_info', help: 'Version of this pilot.', labelNames: ['version'], registers }),
  };
}
