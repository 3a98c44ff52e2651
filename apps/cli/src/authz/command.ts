import type { Command } from 'commander';
import type { CheckOptions, SimulateOptions } from './run.ts';

const collect = (value: string, before: string[] = []) => [...before, value];

export function addAuthz(program: Command): void {
  const command = program.command('authz').description('Who may call what, and what another AuthorizationPolicy would change');
  const verb = (name: string, description: string): Command =>
    command
      .command(`${name} [workload]`)
      .description(`${description}; of a pod (NAME or NAME.NAMESPACE)`)
      .option('-o, --output <format>', 'short or json', 'short')
      .option('--manifests <paths...>', 'Istio and Kubernetes YAML instead of a live mesh: what the proxy of a workload there would run')
      .option('--mesh-config <file>', 'MeshConfig YAML: trust domain, aliases, providers')
      .option('-n, --namespace <name>', 'namespace of the pod')
      .option('-c, --kubeconfig <file>', 'kubeconfig')
      .option('--context <name>', 'context of the kubeconfig');
  verb('check', 'The policies that a proxy enforces, and who may call what by them')
    .option('-f, --file <file>', "a config dump of a proxy's admin server instead of a pod; - for standard input")
    .option('--port <number>', 'only this port')
    .option('--method <method>', 'this method, instead of those that rules name; may come several times', collect)
    .option('--path <path>', 'this path, instead of those that rules name; may come several times', collect)
    .option('--principal <identity>', 'this caller, instead of those that rules name; may come several times', collect)
    .action(async (reference: string | undefined, options: CheckOptions) => (await import('./run.ts')).check(reference, options));
  verb('simulate', 'Which recorded requests would be decided otherwise by other policies')
    .option('-f, --file <paths...>', 'AuthorizationPolicies that come, or replace those of their name', [])
    .requiredOption('--requests <file>', 'recorded requests: access log of the proxy in JSON, a line each')
    .option('--config-dump <file>', "a config dump of the proxy's admin server instead of a pod")
    .option('--without <namespace/name>', 'a policy that goes; may come several times', collect)
    .option('--fail-on-change', 'exit with 1 when a verdict changes')
    .action(async (reference: string | undefined, options: SimulateOptions) => (await import('./run.ts')).simulation(reference, options));
}
