import type { Command } from 'commander';
import type { AnalyzeOptions } from './run.ts';

export function addAnalyze(program: Command): void {
  program
    .command('analyze [paths...]')
    .description('Finds mistakes in files, folders, standard input (-) and the live mesh')
    .option('--use-kube [bool]', 'look at the live mesh too', 'true')
    .option('-A, --all-namespaces', 'all namespaces')
    .option('-n, --namespace <name>', 'namespace of objects that name none, and the one to report')
    .option('-R, --recursive', 'folders below folders')
    .option('-o, --output <format>', 'log or json', 'log')
    .option('--failure-threshold <level>', 'level from which the exit code is 79', 'Error')
    .option('-c, --kubeconfig <file>', 'kubeconfig')
    .option('--context <name>', 'context of the kubeconfig')
    .action(async (paths: string[], options: AnalyzeOptions) => (await import('./run.ts')).run(paths, options));
}
