import type { Command } from 'commander';
import type { DeleteOptions } from './delete.ts';
import type { ApplyOptions } from './run.ts';
import { addWriteOptions } from './write-options.ts';

export function addApply(program: Command): void {
  addWriteOptions(
    program
      .command('apply')
      .description('Apply objects, which take effect together or not at all; with --wait, return when every proxy runs them')
      .requiredOption('-f, --filename <file...>', 'files, folders or - for standard input')
      .option('-R, --recursive', 'folders inside folders too')
      .option('--prune', "remove objects of the mesh's kinds with the labels of -l that no file has")
      .option('-l, --selector <labels>', 'labels of --prune, such as app=shop')
      .option('--wait', 'return when what was applied is live on all proxies; exit 1 when one refuses it')
      .option('--timeout <duration>', 'how long to wait', '30s')
      .option('-o, --output <format>', 'short or json', 'short')
      .option('-i, --istioNamespace <name>', 'namespace of the control plane', 'istio-system'),
  ).action(async (options: ApplyOptions) => (await import('./run.ts')).run(options));
}

export function addDelete(program: Command): void {
  addWriteOptions(
    program
      .command('delete')
      .description('Remove the objects of files; they lose effect together')
      .requiredOption('-f, --filename <file...>', 'files, folders or - for standard input')
      .option('-R, --recursive', 'folders inside folders too'),
  ).action(async (options: DeleteOptions) => (await import('./delete.ts')).run(options));
}
