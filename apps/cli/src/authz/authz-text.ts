import {
  ANY_PORT,
  type Decision,
  type Matrix,
  type PolicySummary,
  type RecordedRequests,
  type RequestRecord,
  type Simulation,
} from '@xebec/authz';
import { formatTable } from '../table.ts';

/** istioctl's table of policies, and behind it who may call what, a table for each port. */
export function checkText(policies: readonly PolicySummary[], found: readonly Matrix[]): string {
  const rows = policies.map(({ action, policy, rules, dryRun }) => [action, `${policy}${dryRun ? ' (dry run)' : ''}`, String(rules)]);
  const table =
    policies.length === 0
      ? 'No AuthorizationPolicy applies: whoever reaches the workload may call it.\n'
      : formatTable(['ACTION', 'AuthorizationPolicy', 'RULES'], rows);
  // Ports with the same rules and the same answers are one table.
  const tables = new Map<string, { readonly matrix: Matrix; readonly ports: number[] }>();
  for (const matrix of found) {
    const key = `${matrix.protocol} ${matrixRows(matrix)}`;
    const known = tables.get(key);
    if (known === undefined) tables.set(key, { matrix, ports: [matrix.port] });
    else known.ports.push(matrix.port);
  }
  return [table, ...[...tables.values()].map(({ matrix, ports }) => matrixText(matrix, ports))].join('\n');
}

function matrixText(matrix: Matrix, ports: readonly number[]): string {
  const named = ports.filter((port) => port !== ANY_PORT).map((port) => `port ${port}`);
  const where = [...named, ...(ports.includes(ANY_PORT) ? [named.length === 0 ? 'any port' : 'any other port'] : [])].join(', ');
  return `Who may call ${where} (${matrix.protocol === 'http' ? 'HTTP' : 'TCP'}):\n${matrixRows(matrix)}`;
}

function matrixRows(matrix: Matrix): string {
  const header = ['CALLER', ...matrix.calls.map(({ method, path }) => (method === '' ? path.label : `${method} ${path.label}`))];
  return formatTable(
    header,
    matrix.rows.map(({ caller, decisions }) => [caller.label, ...decisions.map(cellText)]),
  );
}

function cellText({ answer }: Decision): string {
  return answer === 'allowed' ? 'yes' : answer === 'asked' ? 'ask' : '-';
}

export function simulationText(result: Simulation, { outbound, problems }: RecordedRequests): string {
  const changed = result.requests - result.unchanged;
  const lines = [`${result.requests} requests: ${result.unchanged} decided as before, ${changed} otherwise`];
  if (outbound > 0) lines.push(`${outbound} lines are calls that the workload made itself`);
  if (problems.length > 0) lines.push(`${problems.length} lines left out`);
  if (result.principalUnknown > 0)
    lines.push(
      `${result.principalUnknown} came over mTLS, and the log does not say from whom: rules about callers may decide otherwise; add "downstream_peer_uri_san": "%DOWNSTREAM_PEER_URI_SAN%" to accessLogFormat`,
    );
  if (result.dryRunDenied > 0) lines.push(`${result.dryRunDenied} would be denied by policies on trial (dry run)`);
  if (changed === 0) return `${lines.join('\n')}\n`;
  const rows = result.changes.map(({ requests, example, before, after }) => [
    String(requests),
    verdict(before),
    verdict(after),
    caller(example),
    example.protocol === 'tcp' ? `connection to ${example.port}` : `${example.method} ${example.path.split('?', 1)[0]} :${example.port}`,
    after.because,
  ]);
  return `${lines.join('\n')}\n\n${formatTable(['REQUESTS', 'NOW', 'THEN', 'CALLER', 'CALL', 'WHY THEN'], rows)}`;
}

function verdict({ answer, status }: Decision): string {
  return answer === 'denied' && status !== undefined ? `denied ${status}` : answer;
}

function caller({ principal, principalUnknown, sourceAddress }: RequestRecord): string {
  if (principal !== undefined) return principal.replace('spiffe://', '');
  return principalUnknown ? '(not recorded)' : sourceAddress;
}
