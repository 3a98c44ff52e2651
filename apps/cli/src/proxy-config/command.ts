import type { Command } from 'commander';
import type { ProxyConfigOptions } from './run.ts';

export function addProxyConfig(program: Command): void {
  const command = program.command('proxy-config').alias('pc').description('What a proxy runs, read from the proxy itself');
  const verb = (name: string, aliases: readonly string[], description: string, run: keyof typeof import('./run.ts')): Command =>
    command
      .command(`${name} [pod[.namespace]]`)
      .aliases([...aliases])
      .description(description)
      .option('-o, --output <format>', 'short, json or yaml', name === 'bootstrap' ? 'json' : 'short')
      .option('-f, --file <file>', "a config dump of a proxy's admin server instead of a pod; - for standard input")
      .option('-n, --namespace <name>', 'namespace of the pod')
      .option('-c, --kubeconfig <file>', 'kubeconfig')
      .option('--context <name>', 'context of the kubeconfig')
      .action(async (reference: string | undefined, options: ProxyConfigOptions) => (await import('./run.ts'))[run](reference, options));
  verb('cluster', ['clusters', 'c'], 'Clusters: where traffic can go', 'clusters')
    .option('--fqdn <host>', 'only hosts that contain this')
    .option('--port <number>', 'only this port')
    .option('--subset <name>', 'only this subset')
    .option('--direction <direction>', 'inbound or outbound');
  verb('listener', ['listeners', 'l'], 'Listeners and filter chains', 'listeners')
    .option('--address <ip>', 'only this address')
    .option('--port <number>', 'only this port');
  verb('route', ['routes', 'r'], 'Routes by virtual host', 'routes').option('--name <name>', 'only this route configuration');
  verb('endpoint', ['endpoints', 'ep'], 'Endpoints with their health', 'endpoints')
    .option('--cluster <name>', 'only this cluster')
    .option('--address <ip>', 'only this address')
    .option('--port <number>', 'only this port')
    .option('--status <status>', 'only this health status');
  verb('eds', [], 'Endpoints as they were discovered', 'eds')
    .option('--cluster <name>', 'only this cluster')
    .option('--address <ip>', 'only this address')
    .option('--port <number>', 'only this port')
    .option('--status <status>', 'only this health status');
  verb('ecds', ['ec'], 'Filter configurations that came over extension discovery', 'ecds');
  verb('bootstrap', ['b'], 'What the proxy was started with', 'bootstrap');
  verb('secret', ['secrets', 's'], 'Certificates and their validity', 'secrets');
  verb('all', ['a'], 'Everything', 'all');
  verb('log', ['o'], 'Log levels; sets them with --level', 'log')
    .option('--level <level>', 'level, or logger:level, several with commas')
    .option('-r, --reset', 'all levels back to warning');
}
