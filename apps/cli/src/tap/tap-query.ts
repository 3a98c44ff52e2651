import { durationMs, parseTapRequest, tapLimits } from '@xebec/dataplane/tap';
import { CommandFailure, EXIT } from '../exit.ts';

/** What to look for, as it stands on the command line. */
export interface TapFilterOptions {
  readonly path?: string;
  readonly method?: string;
  readonly status?: string;
  readonly grpcStatus?: string;
  readonly header?: readonly string[];
  readonly from?: string;
  readonly to?: string;
  readonly host?: string;
  readonly direction?: string;
  readonly minDuration?: string;
  readonly flags?: string;
  readonly maxRps: string;
  readonly showHeaders?: string | boolean;
}

/** The parameters that proxies get, judged here already: a mistake is told once, and before any proxy is asked. */
export function tapQuery(options: TapFilterOptions): URLSearchParams {
  const query = new URLSearchParams();
  const put = (name: string, value: string | undefined): void => {
    if (value !== undefined) query.append(name, value);
  };
  put('path', options.path);
  put('method', options.method);
  put('status', options.status);
  put('grpc_status', options.grpcStatus);
  for (const header of options.header ?? []) put('header', header);
  put('from', options.from);
  put('to', options.to);
  put('host', options.host);
  put('direction', options.direction);
  put('min_duration', options.minDuration);
  put('flags', options.flags);
  put('max_rps', options.maxRps);
  put('show_headers', options.showHeaders === true ? '*' : options.showHeaders === false ? undefined : options.showHeaders);
  const parsed = parseTapRequest(query);
  if (!parsed.ok) {
    // The parameters are called as the options are.
    const lines = parsed.error.map((line) => line.replace(/^[a-z_]+/, (name) => `--${name.replaceAll('_', '-')}`));
    throw new CommandFailure(lines.join('; '), EXIT.usage);
  }
  for (const [name, value] of Object.entries({ path: options.path, from: options.from, to: options.to, host: options.host }))
    if (value === '') throw new CommandFailure(`--${name} "": is empty`, EXIT.usage);
  return query;
}

/** Milliseconds until the whole command ends; undefined: until somebody ends it. */
export function timeLimit(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = durationMs(text);
  if (ms === undefined || ms < 1 || ms > tapLimits.maxDurationMs)
    throw new CommandFailure(`--duration "${text}": write a time up to 1h, such as 30s or 10m`, EXIT.usage);
  return ms;
}

/** How many events end the command; undefined: any number. */
export function countLimit(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1) throw new CommandFailure(`--count "${text}": must be a whole number from 1 up`, EXIT.usage);
  return count;
}
