import type { Command } from 'commander';
import type { WaitOptions } from './run.ts';

export function addWait(program: Command): void {
  program
    .command('wait <type> <name[.namespace]>')
    .description('Wait until every proxy runs an object')
    .option('--for <condition>', 'distribution: it is live; delete: it is gone', 'distribution')
    .option('--generation <number>', 'this generation or a later one')
    .option('--timeout <duration>', 'how long to wait', '30s')
    .option('-o, --output <format>', 'short or json', 'short')
    .option('--pilot <host:port>', "a pilot's HTTP address, for meshes without an API server")
    .option('-n, --namespace <name>', 'namespace of the object')
    .option('-i, --istioNamespace <name>', 'namespace of the control plane', 'istio-system')
    .option('-c, --kubeconfig <file>', 'kubeconfig')
    .option('--context <name>', 'context of the kubeconfig')
    .action(async (type: string, name: string, options: WaitOptions) => (await import('./run.ts')).run(type, name, options));
}
