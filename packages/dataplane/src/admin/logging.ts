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
/** From the most talkative on. */
const order = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];

const usage = `usage: /logging?<name>=<level> (change single level)
usage: /logging?paths=name1:level1,name2:level2,... (change multiple levels)
usage: /logging?level=<level> (change all levels)
usage: /logging?group=<group_name>:<level> (change group of loggers)
levels: trace debug info warning error critical off 
`;

/** Envoy's loggers, whose names its operators know. */
const names = `a2a admin ai_protocol_manager alternate_protocols_cache aws assert backtrace basic_auth cache_filter client config
  connection conn_handler compression credential_injector decompression dns dubbo envoy_bug ext_authz ext_proc rocketmq file filter
  forward_proxy geolocation grpc happy_eyeballs hc health_checker http http2 hystrix init io jwt json_rpc kafka key_value_store lua
  local_rate_limit main matcher mcp misc mongo multi_connection notification oauth2 quic quic_stream pool rate_limit_quota rbac rds
  redis router runtime stats secret sse tap testing thrift tracing upstream udp wasm websocket golang stats_sinks dynamic_modules
  ip_tagging`.split(/\s+/);

/** Levels that were set by name, of each logger of this process. */
const chosen = new WeakMap<object, Map<string, string>>();

const levelOf = (logger: object): string => ('level' in logger ? String(logger.level) : 'info');

function levelsOf(logger: object): Map<string, string> {
  const known = chosen.get(logger);
  if (known !== undefined) return known;
  const fresh = new Map(names.map((name) => [name, levelOf(logger)]));
  chosen.set(logger, fresh);
  return fresh;
}

const failed = (what: string) => `error: ${what}\n\n${usage}`;

/**
 * Sets levels; returns what is wrong with the request, with Envoy's usage. There is one logger in truth: it writes what the most
 * talkative of the names asks for.
 */
export function setLevels(query: URLSearchParams, logger: object): string | undefined {
  const parameters = [...query];
  const [first] = parameters;
  if (first === undefined) return undefined;
  if (parameters.length > 1) return failed('invalid number of parameters');
  const [name, value] = first;
  if (value === '') return undefined;
  const wanted: [name: string, level: string][] = [];
  if (name === 'group') return failed('group parameter requires fine-grain logging to be enabled');
  if (name === 'level') wanted.push(...names.map((each): [string, string] => [each, value]));
  else if (name !== 'paths') wanted.push([name, value]);
  else {
    for (const part of value.split(',')) {
      if (part === '') continue;
      const colon = part.indexOf(':');
      const [each, level] = colon === -1 ? ['', ''] : [part.slice(0, colon), part.slice(colon + 1)];
      if (each === '' || level === '') return failed('empty logger name or empty logger level');
      wanted.push([each, level]);
    }
  }
  for (const [, level] of wanted) if (!Object.hasOwn(levels, level)) return failed('unknown logger level');
  for (const [each] of wanted) if (!names.includes(each)) return failed('unknown logger name');
  const current = levelsOf(logger);
  for (const [each, level] of wanted) current.set(each, levels[level] ?? 'info');
  const loudest = order.find((level) => [...current.values()].includes(level));
  if ('level' in logger && loudest !== undefined) Reflect.set(logger, 'level', loudest);
  return undefined;
}

export function activeLevels(logger: object): string {
  const shown: Readonly<Record<string, string>> = { warn: 'warning', fatal: 'critical', silent: 'off' };
  const lines = [...levelsOf(logger)].map(([name, level]) => `  ${name}: ${shown[level] ?? level}\n`);
  return `active loggers:\n${lines.join('')}\n`;
}
