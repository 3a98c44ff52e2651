import { type Command, Option } from 'commander';
import type { AnalyzeOptions } from './run.ts';

const collect = (value: string, list: readonly string[] = []): readonly string[] => [...list, value];

export function addAnalyze(program: Command): void {
  program
    .command('analyze [paths...]')
    .description('Finds mistakes in files, folders, standard input (-) and the live mesh')
    .option('-k, --use-kube [bool]', 'look at the live mesh too', 'true')
    .option('-A, --all-namespaces', 'all namespaces')
    .option('-n, --namespace <name>', 'namespace of objects that name none, and the one to report')
    .addOption(new Option('-R, --recursive', 'folders below folders are always read; kept for scripts').hideHelp())
    .option('-o, --output <format>', 'log, json, yaml or sarif', 'log')
    .option('--failure-threshold <level>', 'level from which the exit code is 79: Info, Warning or Error', 'Error')
    .option('--output-threshold <level>', 'level from which messages are shown: Info, Warning or Error', 'Info')
    .option('-S, --suppress <code=resource>', 'leave out a code for resources such as "Pod *"; can be repeated', collect)
    .option('--analyzer <name>', 'run this analyzer alone; can be repeated', collect)
    .option('-L, --list-analyzers', 'list the analyzers and stop')
    .option('--meshConfigFile <file>', 'mesh configuration to analyse with')
    .option('--meshNetworksFile <file>', 'mesh networks to analyse')
    .option('--max-proxy-growth <KiB>', 'what one object may add to the configuration of each proxy', '1024')
    .option('--ignore-unknown', 'no failure for documents that cannot be read')
    .option('--color [bool]', 'colours in the log; on at a terminal')
    .option('-v, --verbose', 'say what was run')
    .option('-c, --kubeconfig <file>', 'kubeconfig')
    .option('--context <name>', 'context of the kubeconfig')
    .option('--remote-contexts <name>', 'context of a further cluster, to compare services with; can be repeated', collect)
    .action(async (paths: string[], options: AnalyzeOptions) => (await import('./run.ts')).run(paths, options));
}
