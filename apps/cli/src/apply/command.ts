import type { Command } from 'commander';
import type { ApplyOptions } from './run.ts';

export function addApply(program: Command): void {
  program
    .command('apply')
    .description('Apply objects; with --wait, return when every proxy runs them')
    .requiredOption('-f, --filename <file...>', 'files, folders or - for standard input')
    .option('-R, --recursive', 'folders inside folders too')
    .option('--wait', 'return when what was applied is live on all proxies; exit 1 when one refuses it')
    .option('--timeout <duration>', 'how long to wait', '30s')
    .option('-o, --output <format>', 'short or json', 'short')
    .option('-n, --namespace <name>', 'namespace of objects that name none')
    .option('-i, --istioNamespace <name>', 'namespace of the control plane', 'istio-system')
    .option('-c, --kubeconfig <file>', 'kubeconfig')
    .option('--context <name>', 'context of the kubeconfig')
    .action(async (options: ApplyOptions) => (await import('./run.ts')).run(options));
}
