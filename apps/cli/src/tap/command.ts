import type { Command } from 'commander';
import type { TapOptions } from './run.ts';

const collect = (value: string, before: string[] = []) => [...before, value];

export function addTap(program: Command): void {
  program
    .command('tap [target]')
    .description('Requests and connections as they end, live from the proxies: who called whom, by which route, with what outcome')
    .option('--path <prefix>', 'paths that begin so, or ~ and a regular expression')
    .option('--method <methods>', 'GET,POST')
    .option('--status <statuses>', '404, 5xx, 500-599, several with commas; 0 is a request without an answer')
    .option('--grpc-status <statuses>', 'by number or name: 14, UNAVAILABLE')
    .option('--header <name:value>', 'a request header: name, name:value or name:~expression; may come several times', collect)
    .option('--from <caller>', 'a SPIFFE ID, namespace/account, workload or workload.namespace')
    .option('--to <callee>', 'like --from, or a service')
    .option('--host <authority>', 'without its port; *.example.com for everything below')
    .option('--direction <direction>', 'inbound or outbound')
    .option('--min-duration <duration>', 'only what took at least so long: 250ms, 1.5s')
    .option('--flags <flags>', 'response flags of which one is set: UF,NR')
    .option('--max-rps <number>', 'most events a second from each proxy, up to 1000', '50')
    .option('--duration <duration>', 'end after this time; otherwise Ctrl-C ends')
    .option('--count <number>', 'end after so many events')
    .option('--show-headers [names]', 'show headers in tables, and in all formats the values of secret ones: of these, or of all')
    .option('-o, --output <format>', 'table, wide or json (one object a line)', 'table')
    .option('-l, --selector <labels>', 'pods by label instead of a target')
    .option('-A, --all-namespaces', 'pods of all namespaces')
    .option('-n, --namespace <name>', 'namespace of the target')
    .option('--container <name>', 'the container that holds the proxy', 'istio-proxy')
    .option('-c, --kubeconfig <file>', 'kubeconfig')
    .option('--context <name>', 'context of the kubeconfig')
    .addHelpText(
      'after',
      `
Targets: deploy/NAME, statefulset/NAME, daemonset/NAME, service/NAME, pod/NAME, namespace/NAME, or NAME for the first of pod, deployment and service
that has it; NAME.NAMESPACE names the namespace too. Pods that come are looked at, too.
Exit codes: 0 it ended as asked, also by Ctrl-C; 1 nothing could be looked at; 64 wrong options.`,
    )
    .action(async (target: string | undefined, options: TapOptions) => (await import('./run.ts')).run(target, options));
}
