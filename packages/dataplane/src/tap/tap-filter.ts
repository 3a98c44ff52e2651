import { compileRegex } from '@xebec/matching';
import { header } from '@xebec/wire';
import type { HeaderCondition, TapRequest } from './tap-request.ts';
import type { Party, TapSubject } from './tap-subject.ts';

export type TapFilter = (subject: TapSubject) => boolean;

/** Compiles what a viewer asks for; the cheapest questions come first. Throws XebecError `E_REGEX`, which `parseTapRequest` rules out. */
export function compileTapFilter(request: TapRequest): TapFilter {
  const conditions = [...conditionsOf(request)];
  return (subject) => {
    for (const holds of conditions) if (!holds(subject)) return false;
    return true;
  };
}

function* conditionsOf(request: TapRequest): Generator<TapFilter> {
  const { direction, statuses, minDurationMs, methods, flags, path, host, grpcStatuses, headers, from, to } = request;
  if (direction !== undefined) yield (subject) => subject.direction === direction;
  // What only requests have turns connections away.
  if (statuses.length > 0)
    yield (subject) => subject.isHttp && statuses.some(([least, most]) => subject.status >= least && subject.status <= most);
  if (minDurationMs > 0) yield ({ info }) => info.durationMs >= minDurationMs;
  if (methods.length > 0) yield ({ context }) => context.request !== undefined && methods.includes(context.request.method);
  if (flags.length > 0) yield ({ info }) => info.hasResponseFlags !== false && anyOf(flags, info.responseFlags);
  if (path?.regex === true) {
    const expression = compileRegex(path.value);
    yield (subject) => subject.context.request !== undefined && expression.contains(subject.path);
  } else if (path !== undefined) {
    const { value } = path;
    yield (subject) => subject.context.request !== undefined && subject.path.startsWith(value);
  }
  if (host !== undefined) {
    const named = hostMatcher(host);
    yield (subject) => named(subject.isHttp ? subject.authority : subject.info.connection.requestedServerName);
  }
  if (grpcStatuses.length > 0) yield ({ grpcStatus }) => grpcStatus !== undefined && grpcStatuses.includes(grpcStatus);
  for (const condition of headers) yield headerFilter(condition);
  if (from !== undefined) yield ({ source }) => namesParty(from, source);
  if (to !== undefined) yield (subject) => namesParty(to, subject.destination) || namesService(to, subject.service);
}

function anyOf(wanted: readonly string[], flags: ReadonlySet<string>): boolean {
  for (const flag of wanted) if (flags.has(flag)) return true;
  return false;
}

function hostMatcher(host: string): (authority: string) => boolean {
  const bare = (authority: string): string => authority.toLowerCase().replace(/:[0-9]+$/, '');
  if (host.startsWith('*')) {
    const end = host.slice(1);
    return (authority) => bare(authority).endsWith(end);
  }
  return (authority) => bare(authority) === host || authority.toLowerCase() === host;
}

function headerFilter({ name, value, regex }: HeaderCondition): TapFilter {
  const read = headerReader(name);
  if (value === undefined) return (subject) => read(subject) !== undefined;
  if (!regex) return (subject) => read(subject) === value;
  const expression = compileRegex(value);
  return (subject) => {
    const found = read(subject);
    return found !== undefined && expression.contains(found);
  };
}

function headerReader(name: string): (subject: TapSubject) => string | undefined {
  switch (name) {
    case ':method':
      return ({ context }) => context.request?.method;
    case ':path':
      return (subject) => (subject.context.request === undefined ? undefined : subject.path);
    case ':authority':
    case 'host':
      return ({ context }) => context.request?.authority;
    case ':scheme':
      return ({ context }) => context.request?.scheme;
    default:
      return ({ context }) => (context.request === undefined ? undefined : header(context.request.headers, name));
  }
}

/**
 * Whether `name` is that party: its SPIFFE ID (with or without `spiffe://`), `namespace/account`, or its workload, app, or either with
 * `.namespace` behind it.
 */
export function namesParty(name: string, { principal, workload, namespace, app }: Party): boolean {
  if (name.includes('/')) {
    if (principal === '') return false;
    if (name.startsWith('spiffe://')) return principal === name;
    const [, account] = /^spiffe:\/\/[^/]+\/ns\/([^/]+\/sa\/[^/]+)$/.exec(principal) ?? [];
    return principal === `spiffe://${name}` || account?.replace('/sa/', '/') === name;
  }
  const is = (known: string): boolean => known !== '' && (name === known || name === `${known}.${namespace}`);
  return is(workload) || is(app);
}

/** `reviews`, `reviews.default` and so on are the service `reviews.default.svc.cluster.local`. */
export function namesService(name: string, service: string): boolean {
  return service !== '' && (service === name || service.startsWith(`${name}.`));
}
