import { Counter, Gauge, type Registry } from 'prom-client';

export type GalleyMetrics = ReturnType<typeof createGalleyMetrics>;

/** Galley's metrics, named as release 1.4 named them. */
export function createGalleyMetrics(registry: Registry) {
  const registers = [registry];
  return {
    /** For the webhook. */
    validationPassed: new Counter({
      name: 'galley_validation_passed',
      help: 'Objects admitted.',
      labelNames: ['group', 'resource'],
      registers,
    }),
    validationFailed: new Counter({
      name: 'galley_validation_failed',
      help: 'Objects refused.',
      labelNames: ['group', 'resource', 'reason'],
      registers,
    }),
    clients: new Gauge({ name: 'galley_mcp_source_clients_total', help: 'MCP sinks connected now.', registers }),
    acks: new Counter({
      name: 'galley_mcp_source_request_acks_total',
      help: 'Responses that sinks accepted.',
      labelNames: ['collection'],
      registers,
    }),
    nacks: new Counter({
      name: 'galley_mcp_source_request_nacks_total',
      help: 'Responses that sinks refused.',
      labelNames: ['collection'],
      registers,
    }),
    refusedStreams: new Counter({
      name: 'galley_mcp_source_refused_streams_total',
      help: 'Streams that were not let in: too many, too often, or by nobody who may.',
      labelNames: ['reason'],
      registers,
    }),
    sentBytes: new Counter({
      name: 'galley_mcp_source_sent_bytes_total',
      help: 'Bytes of responses to sinks.',
      labelNames: ['collection'],
      registers,
    }),
    published: new Counter({ name: 'galley_runtime_strategy_on_change_total', help: 'Changes published to sinks.', registers }),
    objects: new Gauge({
      name: 'galley_runtime_state_type_instances_total',
      help: 'Objects in force.',
      labelNames: ['collection'],
      registers,
    }),
    /** `count` is asked at each scrape. */
    watchConflicts: (count: () => number) =>
      new Gauge({
        name: 'galley_source_conflicting_objects',
        help: 'Objects that several sources have: the first listed is in force.',
        registers,
        collect() {
          this.set(count());
        },
      }),
    problems: new Gauge({ name: 'galley_source_invalid_objects', help: 'Stored objects that validation refuses.', registers }),
  };
}
