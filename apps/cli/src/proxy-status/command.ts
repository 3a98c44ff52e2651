import type { Command } from 'commander';
import type { StatusOptions } from './run.ts';

export function addProxyStatus(program: Command): void {
  program
    .command('proxy-status [pod[.namespace]]')
    .alias('ps')
    .description('Whether every proxy runs what pilot sent it')
    .option('-o, --output <format>', 'table, json or yaml', 'table')
    .option('-v, --verbose', 'what refused types are refused for')
    .option('-f, --file <file>', "a config dump of the pod's admin server, to compare with instead of asking the pod")
    .option('--pilot <host:port>', "a pilot's HTTP address, for meshes without an API server")
    .option('-i, --istioNamespace <name>', 'namespace of the control plane', 'istio-system')
    .option('-c, --kubeconfig <file>', 'kubeconfig')
    .option('--context <name>', 'context of the kubeconfig')
    .action(async (pod: string | undefined, options: StatusOptions) => (await import('./run.ts')).run(pod, options));
}
