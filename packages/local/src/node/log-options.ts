/** The query of `GET …/log`: unset means unset, as in PodLogOptions. */
export interface LogOptions {
  readonly tailLines?: number;
  readonly limitBytes?: number;
  /** Lines before this time are left out, in ms since the epoch. */
  readonly sinceMs?: number;
  readonly timestamps: boolean;
  readonly follow: boolean;
  readonly previous: boolean;
}

export function parseLogOptions(query: URLSearchParams, nowMs: number): LogOptions {
  const flag = (name: string) => query.get(name) === 'true' || query.get(name) === '1';
  const count = (name: string) => {
    const value = Number(query.get(name) ?? Number.NaN);
    return Number.isInteger(value) && value >= 0 ? value : undefined;
  };
  const seconds = count('sinceSeconds');
  const time = Date.parse(query.get('sinceTime') ?? '');
  const sinceMs = seconds === undefined ? time : nowMs - seconds * 1000;
  const tailLines = count('tailLines');
  const limitBytes = count('limitBytes');
  return {
    ...(tailLines === undefined ? {} : { tailLines }),
    ...(limitBytes === undefined ? {} : { limitBytes }),
    ...(Number.isNaN(sinceMs) ? {} : { sinceMs }),
    timestamps: flag('timestamps'),
    follow: flag('follow'),
    previous: flag('previous'),
  };
}

/** What of a log's text is asked for. The processes write the file themselves, so every line counts as written at `writtenMs`. */
export function selectLog(text: string, writtenMs: number, options: LogOptions): string {
  let lines = text.split(/(?<=\n)/).filter((line) => line !== '');
  if (options.sinceMs !== undefined && writtenMs < options.sinceMs) lines = [];
  if (options.tailLines !== undefined) lines = options.tailLines === 0 ? [] : lines.slice(-options.tailLines);
  const stamp = options.timestamps ? `${new Date(writtenMs).toISOString()} ` : '';
  const out = Buffer.from(lines.map((line) => stamp + line).join(''));
  return (options.limitBytes === undefined ? out : out.subarray(0, options.limitBytes)).toString('utf8');
}
