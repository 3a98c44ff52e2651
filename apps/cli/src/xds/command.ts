import type { Command } from 'commander';
import type { XdsOptions } from './run.ts';

export function addXds(program: Command): void {
  program
    .command('xds')
    .description('What a proxy would get: translates files offline for one Envoy Node')
    .requiredOption('-f, --file <files...>', 'manifests: Istio and Kubernetes YAML')
    .option('--mesh-config <file>', 'MeshConfig YAML')
    .requiredOption('--node <file>', 'Envoy Node as protobuf JSON')
    .option('-o, --output <format>', 'json', 'json')
    .option('--provenance', 'add the objects, files and lines behind each resource')
    .action(async (options: XdsOptions) => (await import('./run.ts')).run(options));
}
