import type { Analyzer } from '../../analyzer.ts';
import { record, records, text } from '../../fields.ts';

/** IST0157: access logging that names no provider, in a mesh without default. */
export const telemetryProvider: Analyzer = {
  name: 'telemetry.ProviderAnalyzer',
  description: 'Validates that providers in telemetry resource is valid',
  inputs: ['Telemetry'],
  codes: ['IST0157'],
  analyze(view, report) {
    const defaults = record(view.meshConfig['defaultProviders'])['accessLogging'];
    if (Array.isArray(defaults) && defaults.length > 0) return;
    for (const resource of view.all('Telemetry'))
      for (const [index, logging] of records(resource.spec['accessLogging']).entries())
        if (logging['disabled'] !== true && records(logging['providers']).length === 0)
          report('IST0157', resource, [resource.name, resource.namespace], `spec.accessLogging[${index}]`);
  },
};

/** IST0002 for tracing by Lightstep. */
export const lightstepProvider: Analyzer = {
  name: 'telemetry.LightstepAnalyzer',
  description: 'Validates that lightstep provider is still used',
  inputs: ['Telemetry'],
  codes: ['IST0002'],
  analyze(view, report) {
    const providers = records(view.meshConfig['extensionProviders']).filter((provider) => provider['lightstep'] !== undefined);
    const names = new Set(providers.map((provider) => text(provider['name'])));
    if (names.size === 0) return;
    for (const resource of view.all('Telemetry'))
      for (const [i, tracing] of records(resource.spec['tracing']).entries())
        for (const [j, provider] of records(tracing['providers']).entries()) {
          const name = text(provider['name']);
          const detail = `The Lightstep provider ${name} is deprecated, please migrate to OpenTelemetry provider.`;
          if (names.has(name)) report('IST0002', resource, [detail], `spec.tracing[${i}].providers[${j}].name`);
        }
  },
};
