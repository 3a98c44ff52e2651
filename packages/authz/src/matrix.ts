import { type CallerSample, distinctions, type ValueSample } from './callers-and-calls.ts';
import { type Decision, decide } from './decide.ts';
import type { Guard, GuardedListeners } from './guards.ts';
import type { RequestRecord } from './request-record.ts';

export interface MatrixRow {
  readonly caller: CallerSample;
  /** One for each call of the matrix. */
  readonly decisions: readonly Decision[];
}

/** Who may call what on one port: callers down, calls across. */
export interface Matrix {
  readonly port: number;
  readonly protocol: 'http' | 'tcp';
  readonly calls: readonly { readonly method: string; readonly path: ValueSample }[];
  readonly rows: readonly MatrixRow[];
}

/** Stands for every port that has no chain of its own. */
export const ANY_PORT = 1;

/** One matrix for each port and protocol that has rules; what is asked is what the rules tell apart. */
export function matrices(
  listeners: GuardedListeners,
  only: {
    readonly port?: number;
    readonly methods?: readonly string[];
    readonly paths?: readonly string[];
    readonly principals?: readonly string[];
  } = {},
): Matrix[] {
  const out = new Map<string, Matrix>();
  for (const guard of listeners.all) {
    const port = guard.port ?? only.port ?? ANY_PORT;
    const key = `${port} ${guard.protocol}`;
    if (out.has(key) || guard.steps.length === 0 || (only.port !== undefined && only.port !== port)) continue;
    out.set(key, matrixOf(listeners, guard, port, only));
  }
  return [...out.values()].sort((a, b) => a.port - b.port || (a.protocol < b.protocol ? -1 : 1));
}

function matrixOf(listeners: GuardedListeners, guard: Guard, port: number, only: Parameters<typeof matrices>[1] & object): Matrix {
  const found = distinctions(guard);
  const paths = only.paths?.map((path) => ({ label: path, value: path })) ?? found.paths;
  const methods = only.methods ?? found.methods;
  const { protocol } = guard;
  const calls =
    protocol === 'tcp'
      ? [{ method: '', path: { label: 'connect', value: '/' } }]
      : paths.flatMap((path) => methods.map((method) => ({ method, path })));
  const callers: readonly CallerSample[] =
    only.principals?.map((principal) => ({ label: principal, principal: withScheme(principal) })) ?? found.callers;
  const rows = callers.map((caller) => ({
    caller,
    decisions: calls.map(({ method, path }) =>
      decide(listeners, { ...sampleCall(port, protocol, method, path.value, caller.principal), claims: caller.claims }),
    ),
  }));
  return { port, protocol, calls, rows };
}

function withScheme(principal: string): string {
  return principal.startsWith('spiffe://') ? principal : `spiffe://${principal}`;
}

/** A request of which nothing is known but what is asked. */
export function sampleCall(
  port: number,
  protocol: 'http' | 'tcp',
  method: string,
  path: string,
  principal: string | undefined,
): RequestRecord {
  return {
    origin: '',
    port,
    protocol,
    method,
    path,
    authority: '',
    headers: [],
    principal,
    principalUnknown: false,
    sourceAddress: '198.51.100.1',
    clientAddress: '198.51.100.1',
    destinationAddress: '198.51.100.2',
    serverName: '',
    claims: undefined,
  };
}
