import { errorText } from '@xebec/core';
import { version } from '@xebec/daemon/version';
import { Command, CommanderError } from 'commander';
import { CommandFailure, EXIT } from './exit.ts';

/** One verb of the command: adds itself, loads what it needs when it runs. */
export type Verb = (program: Command) => void;

export function createProgram(verbs: readonly Verb[]): Command {
  const program = new Command('xebec')
    .description('The service mesh on your machine and in your cluster')
    .version(version(), '-V, --version')
    .exitOverride();
  for (const add of verbs) add(program);
  for (const command of program.commands) inheritExit(command);
  return program;
}

/** Subcommands end by exception too, so that one place decides the exit code. */
function inheritExit(command: Command): void {
  command.exitOverride();
  for (const child of command.commands) inheritExit(child);
}

/** Runs the command line; every failure is one line on stderr and an exit code that means something. */
export async function runProgram(program: Command, argv: readonly string[]): Promise<void> {
  // `xebec … | head` closes the pipe early: that is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? EXIT.ok : EXIT.failure));
  try {
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
      return;
    }
    console.error(`Error: ${errorText(error)}`);
    process.exitCode = error instanceof CommandFailure ? error.exitCode : EXIT.failure;
  }
}
