import { closeSync, openSync, writeSync } from 'node:fs';
import pino, { type Logger } from 'pino';
import { compileLogPattern } from './pattern-log.ts';

const levels: Readonly<Record<string, string>> = { critical: 'fatal', off: 'silent', warning: 'warn' };
const order = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];

export interface LogOptions {
  readonly name: string;
  readonly level: string;
  readonly componentLevels?: string | undefined;
  readonly pattern?: string | undefined;
  readonly path?: string | undefined;
}

export interface ProxyLog {
  readonly logger: Logger;
  /** Opens the file again, where a log rotator has moved it. */
  reopen(): void;
}

/** The log of the process: JSON or a pattern, on standard error or in a file. */
export function createProxyLog({ name, level, componentLevels = '', pattern, path }: LogOptions): ProxyLog {
  let fd = path === undefined ? 2 : openSync(path, 'a');
  const components = componentLevels === '' ? [] : componentLevels.split(',').map((part) => part.slice(part.indexOf(':') + 1));
  const wanted = [level, ...components].map((each) => levels[each] ?? each);
  const mostVerbose = wanted.reduce((a, b) => (order.indexOf(b) < order.indexOf(a) ? b : a));
  const format = pattern === undefined ? undefined : compileLogPattern(pattern);
  const sink = {
    write(line: string): void {
      try {
        writeSync(fd, format === undefined ? line : `${format(readLine(line))}\n`);
      } catch {
        // A log that cannot be written must not stop traffic.
      }
    },
  };
  return {
    logger: pino({ name, level: mostVerbose, timestamp: pino.stdTimeFunctions.isoTime }, sink),
    reopen() {
      if (path === undefined) return;
      const old = fd;
      fd = openSync(path, 'a');
      closeSync(old);
    },
  };
}

function readLine(json: string): { level: number; timeMs: number; name: string; text: string } {
  const { level, time, name, msg = '', pid: _, hostname: __, ...fields } = JSON.parse(json) as Record<string, unknown>;
  const rest = Object.keys(fields).length === 0 ? '' : ` ${JSON.stringify(fields)}`;
  return { level: Number(level), timeMs: Date.parse(String(time)), name: String(name), text: `${String(msg)}${rest}` };
}
