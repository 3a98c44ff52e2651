import type { Command } from 'commander';
import type { MetricsOptions } from './metrics.ts';

export function addSmi(program: Command): void {
  program
    .command('smi')
    .description('The Service Mesh Interface')
    .command('metrics <type> [name]')
    .description('TrafficMetrics of namespaces, deployments, services, pods or trafficsplits, from Prometheus')
    .requiredOption('--prometheus <url>', 'where Prometheus answers, such as http://127.0.0.1:9090')
    .option('--edges', 'by who is at the other end, both ways')
    .option('--window <duration>', 'traffic of the last 30s, 5m, 1h …', '30s')
    .option('-A, --all-namespaces', 'of all namespaces')
    .option('-o, --output <format>', 'short, json or yaml', 'short')
    .option('-n, --namespace <name>', 'namespace of the resources; default: the current one of the kubeconfig')
    .option('-c, --kubeconfig <file>', 'kubeconfig, for the current namespace and for trafficsplits')
    .option('--context <name>', 'context of the kubeconfig')
    .action(async (type: string, name: string | undefined, options: MetricsOptions) =>
      (await import('./metrics.ts')).run(type, name, options),
    );
}
