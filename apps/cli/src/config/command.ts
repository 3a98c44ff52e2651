import type { Command } from 'commander';
import { addWriteOptions } from '../apply/write-options.ts';
import type { KubeOptions } from '../kube/connection.ts';
import type { BundlesOptions } from './bundles.ts';
import type { DiffOptions } from './diff.ts';
import type { ListOptions } from './history.ts';
import type { RollbackOptions } from './rollback.ts';

export function addConfig(program: Command): void {
  const config = program.command('config').description('Versions of the configuration: what changed, when, by whom, and the way back');
  readable(config.command('history').description('List the versions that are kept, newest first'))
    .option('--limit <number>', 'as many versions', '20')
    .option('-o, --output <format>', 'short or json', 'short')
    .action(async (options: ListOptions) => (await import('./history.ts')).run(options));
  readable(
    config
      .command('diff <version> [other]')
      .description('Show what a version changed, or what changed between two; exit 1 when there is a difference'),
  )
    .option('-o, --output <format>', 'diff or json', 'diff')
    .action(async (version: string, other: string | undefined, options: DiffOptions) =>
      (await import('./diff.ts')).run(version, other, options),
    );
  addWriteOptions(
    config
      .command('rollback [version]')
      .description('Bring configuration back to what it was with a version; without one, undo the newest. The way back is a version too'),
  ).action(async (version: string | undefined, options: RollbackOptions) => (await import('./rollback.ts')).run(version, options));
  const bundles = connected(config.command('bundles').description('List bundles: what one command brings and how far it is'))
    .option('-o, --output <format>', 'short or json', 'short')
    .action(async (options: BundlesOptions) => (await import('./bundles.ts')).list(options));
  connected(bundles.command('resume <bundle>').description('Store what is missing of a stalled bundle')).action(
    async (id: string, _options: KubeOptions, command: Command) => (await import('./bundles.ts')).resume(id, command.optsWithGlobals()),
  );
  connected(bundles.command('abort <bundle>').description('Undo what was stored of a stalled bundle')).action(
    async (id: string, _options: KubeOptions, command: Command) => (await import('./bundles.ts')).abort(id, command.optsWithGlobals()),
  );
}

function connected(command: Command): Command {
  return command.option('-c, --kubeconfig <file>', 'kubeconfig').option('--context <name>', 'context of the kubeconfig');
}

function readable(command: Command): Command {
  return connected(command)
    .option('-n, --namespace <name>', 'only what is in this namespace')
    .option('--dir <folder>', 'history of a galley that runs with --history-dir');
}
