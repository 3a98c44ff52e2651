/** One flag of a daemon. Its environment variable is `XEBEC_` and the flag in capitals: `--grpc-addr` is `XEBEC_GRPC_ADDR`. */
export interface OptionSpec {
  /** Commander's form: `--grpc-addr <host:port>`. */
  readonly flags: string;
  readonly description: string;
  readonly default?: string;
}

export function environmentName(flags: string): string {
  const long = /--([a-z0-9-]+)/.exec(flags)?.[1] ?? flags;
  return `XEBEC_${long.replaceAll('-', '_').toUpperCase()}`;
}

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** Reads `host:port`, `[::1]:port` or `:port` (all addresses). Returns undefined for anything else. */
export function parseHostPort(text: string): HostPort | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  if (match === null) return undefined;
  const port = Number(match[3]);
  if (port > 65535) return undefined;
  return { host: match[1] ?? (match[2] === '' || match[2] === undefined ? '0.0.0.0' : match[2]), port };
}
