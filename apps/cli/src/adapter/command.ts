import type { Command } from 'commander';
import type { NewAdapterOptions } from './new/write-adapter.ts';

export function addAdapter(program: Command): void {
  const adapter = program.command('adapter').description('New adapters of Mixer, and what it must know of those that run outside of it');
  adapter
    .command('new <name>')
    .description('Writes a folder with an adapter that runs at once, its test and its objects')
    .requiredOption('--template <names>', 'templates that it takes, by commas')
    .option('--language <language>', 'typescript or python', 'typescript')
    .option('--in-process', 'one that runs inside of Mixer, in a checkout of Xebec')
    .option('--out <folder>', 'where to (default: a folder of its name)')
    .option('-n, --namespace <namespace>', 'where its objects go', 'istio-system')
    .action(async (name: string, options: NewAdapterOptions) => (await import('./run.ts')).printNew(name, options));
  adapter
    .command('manifest <name>')
    .description('Prints the adapter object of an adapter')
    .option('--config <file>', 'FileDescriptorSet with the message Params, of protoc --include_imports --descriptor_set_out')
    .requiredOption('--template <names>', 'templates that it takes, by commas')
    .option('--session-based', 'it hears its configuration once, by InfrastructureBackend')
    .option('-n, --namespace <namespace>', 'where the object goes', 'istio-system')
    .action(async (name: string, options: ManifestOptions) => (await import('./run.ts')).printManifest(name, options));
  adapter
    .command('template <name> <file>')
    .description('Prints the template object of a FileDescriptorSet, of protoc --include_imports --descriptor_set_out')
    .option('-n, --namespace <namespace>', 'where the object goes', 'istio-system')
    .action(async (name: string, file: string, options: { namespace: string }) =>
      (await import('./run.ts')).printTemplate(name, file, options.namespace),
    );
}

export interface ManifestOptions {
  readonly config?: string;
  /** By commas. */
  readonly template: string;
  readonly sessionBased?: boolean;
  readonly namespace: string;
}
