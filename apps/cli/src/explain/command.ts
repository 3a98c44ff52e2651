import type { Command } from 'commander';
import type { ExplainOptions } from './run.ts';

const collect = (value: string, before: string[] = []) => [...before, value];

export function addExplain(program: Command): void {
  program
    .command('explain')
    .description('Why a request goes where it goes: every decision on its way and the YAML line behind it, from files alone')
    .argument('[method]', 'HTTP method; GET when only a URL is given')
    .argument('[url]', 'reviews:9080/reviews/1, or http:// or https:// in front')
    .requiredOption('-f, --file <paths...>', 'manifests: files and folders of Istio and Kubernetes YAML')
    .option('--mesh-config <file>', 'MeshConfig YAML')
    .option('--from <workload>', 'who calls: a workload, pod, service or app label, with .namespace where needed; "outside" for a gateway')
    .option('--gateway <name>', 'the gateway that a call from outside comes in by, where there are several')
    .option('-H, --header <header>', 'a request header, "name: value" or "name:value"; may come several times', collect)
    .option('--jwt-claims <json>', 'claims of a valid token that comes with the request')
    .option('--source-ip <address>', 'address of a caller outside', '198.51.100.1')
    .option('--draw <number>', 'the draw for weights and percentages, from 0 up to 1', '0')
    .option('-o, --output <format>', 'text or json', 'text')
    .action(async (method: string | undefined, url: string | undefined, options: ExplainOptions) =>
      (await import('./run.ts')).run(method, url, options),
    );
}
