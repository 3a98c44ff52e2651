import type { Command } from 'commander';
import type { StatusOptions } from './run.ts';

export function addProxyStatus(program: Command): void {
  program
    .command('proxy-status')
    .alias('ps')
    .description('Whether every proxy runs what pilot sent it')
    .option('-o, --output <format>', 'table or json', 'table')
    .option('-i, --istioNamespace <name>', 'namespace of the control plane', 'istio-system')
    .option('-c, --kubeconfig <file>', 'kubeconfig')
    .option('--context <name>', 'context of the kubeconfig')
    .action(async (options: StatusOptions) => (await import('./run.ts')).run(options));
}
