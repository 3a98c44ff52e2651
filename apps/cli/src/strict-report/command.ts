import type { Command } from 'commander';
import type { StrictReportOptions } from './run.ts';

export function addStrictReport(program: Command): void {
  program
    .command('strict-report')
    .description('Who still sends plaintext to whom: what PeerAuthentication STRICT would break, with the evidence')
    .option('-n, --namespace <name>', 'only workloads of this namespace')
    .option('-f, --file <files...>', 'manifests instead of the live mesh: what configuration says, without traffic')
    .option('--mesh-config <file>', 'MeshConfig for --file')
    .option('-o, --output <format>', 'short or json', 'short')
    .option('-c, --kubeconfig <file>', 'kubeconfig')
    .option('--context <name>', 'context of the kubeconfig')
    .action(async (options: StrictReportOptions) => (await import('./run.ts')).run(options));
}
