import type { TapEvent, TapParty } from '@xebec/dataplane/tap';
import type { ProxyPod } from './followed-pods.ts';

interface Column {
  readonly title: string;
  readonly width: number;
  readonly cell: (event: TapEvent, pod: ProxyPod) => string;
}

const maxCell = 80;

const column = (title: string, width: number, cell: Column['cell']): Column => ({ title, width: Math.max(width, title.length), cell });
const orDash = (text: string | number | undefined): string => (text === undefined || text === '' ? '-' : String(text));
const isTcp = ({ summary }: TapEvent): boolean => summary.protocol === 'TCP';

/** What varies most in length stands at the end. */
const narrow: readonly Column[] = [
  column('TIME', 12, ({ summary }) => summary.start_time.slice(11, 23)),
  column('DIR', 3, ({ summary }) => ({ inbound: 'in', outbound: 'out', unspecified: '-' })[summary.direction]),
  column('FROM', 22, ({ summary }) => partyText(summary.source) ?? orDash(summary.source.address)),
  column('TO', 22, (event) => calleeText(event)),
  column('METHOD', 6, (event) => (isTcp(event) ? 'TCP' : orDash(event.summary.request_method))),
  column('PATH', 16, (event) => (isTcp(event) ? orDash(event.summary.requested_server_name) : orDash(event.summary.path))),
  column('CODE', 4, ({ summary }) => codeText(summary.response_code, summary.grpc_status)),
  column('FLAGS', 5, ({ summary }) => orDash(summary.response_flags.join(','))),
  column('MS', 6, ({ summary }) => msText(summary.duration_ms)),
];

const behind: readonly Column[] = [
  column('ROUTE', 10, ({ summary }) => orDash(summary.route_name ?? summary.virtual_host)),
  column('IDENTITY', 28, ({ summary }) => identityText(summary.source.principal)),
  column('PROXY', 16, (_, { name }) => name),
];

const more: readonly Column[] = [
  column('UPSTREAM', 18, ({ summary }) => orDash(summary.upstream_remote_address)),
  column('TRIES', 5, ({ summary }) => String(summary.upstream_request_attempt_count)),
  column('UPSTREAM-MS', 7, ({ summary }) => orDash(summary.upstream_service_time_ms)),
  column('MTLS', 4, ({ summary }) => (summary.mtls ? 'yes' : 'no')),
  column('PROTOCOL', 8, ({ summary }) => orDash(summary.protocol)),
  column('BYTES-IN', 8, ({ summary }) => String(summary.request_body_bytes)),
  column('BYTES-OUT', 8, ({ summary }) => String(summary.response_body_bytes)),
  column('HOST', 16, ({ summary }) => orDash(summary.authority)),
  column('DETAILS', 16, ({ summary }) => orDash(summary.upstream_transport_failure_reason ?? summary.response_code_details)),
  ...behind,
  column('TO-IDENTITY', 28, ({ summary }) => identityText(summary.destination.principal)),
  column('TRACE', 32, ({ summary }) => orDash(summary.trace_id)),
];

/** Rows as they come: columns grow with what they show, so most of a table stays aligned without waiting for its end. */
export class EventTable {
  readonly #columns: readonly Column[];
  readonly #widths: number[];
  readonly #headers: boolean;

  constructor(options: { readonly wide: boolean; readonly headers: boolean }) {
    this.#columns = [...narrow, ...(options.wide ? more : behind)];
    this.#widths = this.#columns.map(({ width }) => width);
    this.#headers = options.headers;
  }
  header(): string {
    return this.#line(this.#columns.map(({ title }) => title));
  }
  row(event: TapEvent, pod: ProxyPod): string {
    const line = this.#line(this.#columns.map(({ cell }) => printable(cell(event, pod))));
    return this.#headers ? line + headerLines(event) : line;
  }
  #line(cells: readonly string[]): string {
    const padded = cells.map((cell, at) => {
      const shown = cell.length > maxCell ? `${cell.slice(0, maxCell - 1)}…` : cell;
      const width = Math.max(this.#widths[at] ?? 0, shown.length);
      this.#widths[at] = width;
      return shown.padEnd(width + 2);
    });
    return `${padded.join('').trimEnd()}\n`;
  }
}

function headerLines({ http_buffered_trace: trace }: TapEvent): string {
  if (trace === undefined) return '';
  const lines = (mark: string, headers: readonly { readonly key: string; readonly value: string }[] | undefined): string =>
    (headers ?? []).map(({ key, value }) => `    ${mark} ${printable(`${key}: ${value}`)}\n`).join('');
  return lines('>', trace.request.headers) + lines('<', trace.response?.headers) + lines('<', trace.response?.trailers);
}

function partyText({ workload, app, namespace }: TapParty): string | undefined {
  const name = workload ?? app;
  return name === undefined ? undefined : namespace === undefined ? name : `${name}.${namespace}`;
}

/** `spiffe://cluster.local/ns/default/sa/reviews` is `default/reviews`; of other trust domains and forms all is shown. */
function identityText(principal: string | undefined): string {
  if (principal === undefined) return '-';
  const [, namespace, account] = /^spiffe:\/\/cluster\.local\/ns\/([^/]+)\/sa\/([^/]+)$/.exec(principal) ?? [];
  return namespace === undefined ? principal.replace(/^spiffe:\/\//, '') : `${namespace}/${account}`;
}

function calleeText({ summary }: TapEvent): string {
  const known = partyText(summary.destination);
  if (known !== undefined) return known;
  const cluster = summary.upstream_cluster;
  return cluster === undefined
    ? orDash(summary.authority ?? summary.destination.address)
    : (cluster.split('|')[3] || cluster).replace(/\.svc\.cluster\.local$/, '');
}

function codeText(code: number | undefined, grpcStatus: number | undefined): string {
  const http = code === undefined || code === 0 ? '-' : String(code);
  return grpcStatus === undefined ? http : `${http}/${grpcStatus}`;
}

const msText = (ms: number): string => (ms >= 100 ? String(Math.round(ms)) : ms.toFixed(ms >= 10 ? 1 : 2));

/** Nothing that a client sent may speak to the terminal. */
function printable(text: string): string {
  return text.replaceAll(
    /[\p{Cc}\p{Cf}\u2028\u2029]/gu,
    (character) => `\\x${(character.codePointAt(0) ?? 0).toString(16).padStart(2, '0')}`,
  );
}
