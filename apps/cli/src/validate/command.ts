import type { Command } from 'commander';
import type { ValidateOptions } from './run.ts';

const collect = (value: string, earlier: readonly string[]): string[] => [...earlier, value];

export function addValidate(program: Command): void {
  program
    .command('validate [paths...]')
    .description('Says whether objects would be admitted: files, folders and standard input (-), without a mesh')
    .option('-f, --filename <path>', 'file, folder or - ; may be repeated', collect, [])
    .option('-n, --namespace <name>', 'namespace of objects that name none', 'default')
    .option('-o, --output <format>', 'text or json', 'text')
    .action(async (paths: string[], options: ValidateOptions) => (await import('./run.ts')).run(paths, options));
}
