import { spawn } from 'node:child_process';

export interface ToolResult {
  /** -1: the program could not be started. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const maxOutputBytes = 1024 * 1024;

/** Runs a program with arguments as they are, and text for its standard input. */
export function runTool(program: string, args: readonly string[], input?: string): Promise<ToolResult> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (bytes: Buffer) => {
      if (stdout.length < maxOutputBytes) stdout += bytes.toString();
    });
    child.stderr.on('data', (bytes: Buffer) => {
      if (stderr.length < maxOutputBytes) stderr += bytes.toString();
    });
    child.once('error', (error) => resolve({ code: -1, stdout, stderr: `cannot run ${program}: ${error.message}` }));
    child.once('close', (code) => resolve({ code: code ?? -1, stdout, stderr }));
    // A program that ends early does not want its input.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input ?? '');
  });
}
