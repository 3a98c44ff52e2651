/** Exit codes as istioctl has them (sysexits). */
export const EXIT = { ok: 0, failure: 1, usage: 64, data: 65, analyzerFoundIssues: 79 } as const;

/** Ends a command with one line on stderr and an exit code; thrown inside commands, caught once in the bin. */
export class CommandFailure extends Error {
  readonly exitCode: number;
  constructor(message: string, exitCode: number = EXIT.failure) {
    super(message);
    this.name = 'CommandFailure';
    this.exitCode = exitCode;
  }
}
