import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';

/** A bash that keeps its variables between commands, like a reader's terminal. */
export class Shell {
  readonly #bash: ChildProcessWithoutNullStreams;
  #sequence = 0;

  constructor(cwd: string, env: NodeJS.ProcessEnv) {
    this.#bash = spawn('bash', ['--noprofile', '--norc'], { cwd, env, detached: true });
  }

  /** What the command printed, both streams together; rejects when it takes longer than `timeoutMs`. */
  run(command: string, timeoutMs: number): Promise<string> {
    const marker = `__done_${this.#sequence++}__`;
    const { stdout, stdin } = this.#bash;
    return new Promise((resolve, reject) => {
      let output = '';
      const finish = (result: () => void) => {
        clearTimeout(timer);
        stdout.off('data', onData);
        result();
      };
      const onData = (chunk: Buffer) => {
        output += chunk.toString('utf8');
        const at = output.indexOf(marker);
        if (at >= 0) finish(() => resolve(output.slice(0, at)));
      };
      const timer = setTimeout(() => finish(() => reject(new Error(`no end after ${timeoutMs} ms of: ${command}\n${output}`))), timeoutMs);
      stdout.on('data', onData);
      stdin.write(`{ ${command}\n} 2>&1 < /dev/null\necho "${marker}"\n`);
    });
  }

  /** Ends the shell and what it started; a shell that is gone already is fine. */
  close(): void {
    if (this.#bash.pid === undefined || this.#bash.exitCode !== null || this.#bash.signalCode !== null) return;
    process.kill(-this.#bash.pid, 'SIGKILL');
  }
}
