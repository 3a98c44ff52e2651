const levels: Readonly<Record<string, string>> = {
  trace: 'trace',
  debug: 'debug',
  info: 'info',
  warning: 'warn',
  warn: 'warn',
  error: 'error',
  critical: 'fatal',
  off: 'silent',
};

const usage = `usage: /logging?<name>=<level> (change single level)
usage: /logging?paths=name1:level1,name2:level2,... (change multiple levels)
usage: /logging?level=<level> (change all levels)
levels: trace debug info warning error critical off 
`;

/** The one logger of this process, by its name and by those that Envoy's operators reach for. */
const names = [
  'admin',
  'client',
  'config',
  'connection',
  'filter',
  'http',
  'http2',
  'main',
  'pool',
  'rbac',
  'router',
  'runtime',
  'upstream',
];

/** Sets the level; returns what is wrong with the request, with Envoy's usage. */
export function setLevels(query: URLSearchParams, logger: object): string | undefined {
  const wanted: string[] = [];
  for (const [name, value] of query) {
    if (name === 'paths') for (const part of value.split(',')) wanted.push(part.slice(part.lastIndexOf(':') + 1));
    else if (name === 'level' || names.includes(name)) wanted.push(value);
    else return `error: unknown logger name\n\n${usage}`;
  }
  for (const text of wanted) {
    if (text === '') continue;
    const level = levels[text];
    if (level === undefined) return `error: unknown logger level\n\n${usage}`;
    if ('level' in logger) Reflect.set(logger, 'level', level);
  }
  return undefined;
}

export function activeLevels(logger: object): string {
  const current = 'level' in logger ? String(logger.level) : 'info';
  const shown = { warn: 'warning', fatal: 'critical', silent: 'off' }[current] ?? current;
  return `active loggers:\n${names.map((name) => `  ${name}: ${shown}\n`).join('')}`;
}
