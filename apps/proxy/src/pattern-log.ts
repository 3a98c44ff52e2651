import { threadId } from 'node:worker_threads';

const levelNames: Readonly<Record<number, string>> = { 10: 'trace', 20: 'debug', 30: 'info', 40: 'warning', 50: 'error', 60: 'critical' };

/** One log line of pino, as read back. */
export interface LogLine {
  readonly level: number;
  readonly timeMs: number;
  readonly name: string;
  readonly text: string;
}

const two = (value: number): string => String(value).padStart(2, '0');

/** Compiles a pattern of spdlog (the flags that Envoy's documentation names); an unknown flag stays as it is. */
export function compileLogPattern(pattern: string): (line: LogLine) => string {
  const parts = pattern.split(/(%[!-~])/).filter((part) => part !== '');
  return (line) => {
    const time = new Date(line.timeMs);
    const level = levelNames[line.level] ?? 'info';
    let text = '';
    for (const part of parts) text += part.length === 2 && part[0] === '%' ? field(part, line, time, level) : part;
    return text;
  };
}

function field(flag: string, line: LogLine, time: Date, level: string): string {
  switch (flag) {
    case '%v':
    case '%_':
    case '%j':
      return line.text;
    case '%l':
      return level;
    case '%L':
      return (level[0] ?? '').toUpperCase();
    case '%n':
      return line.name;
    case '%t':
      return String(threadId);
    case '%P':
      return String(process.pid);
    case '%Y':
      return String(time.getUTCFullYear());
    case '%m':
      return two(time.getUTCMonth() + 1);
    case '%d':
      return two(time.getUTCDate());
    case '%H':
      return two(time.getUTCHours());
    case '%M':
      return two(time.getUTCMinutes());
    case '%S':
      return two(time.getUTCSeconds());
    case '%T':
      return `${two(time.getUTCHours())}:${two(time.getUTCMinutes())}:${two(time.getUTCSeconds())}`;
    case '%e':
      return String(time.getUTCMilliseconds()).padStart(3, '0');
    case '%E':
      return String(Math.floor(line.timeMs / 1000));
    // Source file, line and function are not known, colours not used.
    case '%g':
    case '%s':
    case '%@':
    case '%!':
    case '%^':
    case '%$':
      return '';
    case '%#':
      return '0';
    case '%%':
      return '%';
    default:
      return flag;
  }
}
