import type { Command } from 'commander';

/** Flags of every command that changes configuration. */
export function addWriteOptions(command: Command): Command {
  return command
    .option('-m, --message <text>', 'why, for the history')
    .option('--force', 'also when analysis finds errors that are new')
    .option('--dry-run', 'say what would be stored, and store nothing')
    .option('--no-bundle', 'store object by object: each takes effect by itself')
    .option('--bundle-timeout <duration>', 'after this long without all its objects a bundle counts as stalled', '30s')
    .option('-n, --namespace <name>', 'namespace of objects that name none')
    .option('-c, --kubeconfig <file>', 'kubeconfig')
    .option('--context <name>', 'context of the kubeconfig');
}
