import type { Command } from 'commander';
import type { CertificatesOptions } from './run.ts';

export function addCertificates(program: Command): void {
  program
    .command('certificates')
    .alias('certs')
    .description('Certificate calendar: who expires when, over proxies, Secrets, roots and webhooks')
    .option('-A, --all-namespaces', 'all namespaces (the default)')
    .option('-n, --namespace <name>', 'only places of this namespace')
    .option('-f, --file <files...>', 'PEM files, manifests with Secrets, or config dumps instead of the live mesh; - for standard input')
    .option('--within <duration>', 'only what expires within this time, such as 720h or 30d')
    .option('--alarm <percent>', 'only what has used this much of its life')
    .option('--failure-threshold <percent>', 'part of its life from which a certificate makes the exit code 79', '95')
    .option('-o, --output <format>', 'short or json', 'short')
    .option('-c, --kubeconfig <file>', 'kubeconfig')
    .option('--context <name>', 'context of the kubeconfig')
    .action(async (options: CertificatesOptions) => (await import('./run.ts')).run(options));
}
