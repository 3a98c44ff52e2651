import { Counter, Gauge, type Registry } from 'prom-client';

export type BundleMetrics = ReturnType<typeof createBundleMetrics>;

/** What is held back, and what went out though something is missing. */
export function createBundleMetrics(registry: Registry) {
  const registers = [registry];
  return {
    open: new Gauge({ name: 'galley_bundles', help: 'Bundles that hold objects back.', labelNames: ['phase'], registers }),
    leads: new Gauge({ name: 'galley_leads', help: '1 while this galley decides about bundles and writes the history.', registers }),
    held: new Gauge({ name: 'galley_bundle_held_objects', help: 'Objects that bundles hold back.', registers }),
    phases: new Counter({ name: 'galley_bundle_phases_total', help: 'Bundles that came to a phase.', labelNames: ['phase'], registers }),
    dangling: new Counter({
      name: 'galley_dangling_references_total',
      help: 'Objects published though what they refer to is not there.',
      registers,
    }),
    versions: new Counter({ name: 'galley_history_versions_total', help: 'Versions of the configuration recorded.', registers }),
    lost: new Counter({ name: 'galley_history_failures_total', help: 'Versions that could not be recorded.', registers }),
  };
}
