import type { Command } from 'commander';

export function addSchema(program: Command): void {
  program
    .command('schema [kind]')
    .description('Prints the JSON Schema of a kind, of MeshConfig, or of all kinds, for editors')
    .action(async (kind: string | undefined) => (await import('./run.ts')).run(kind));
}
