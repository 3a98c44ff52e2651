import { isRecord } from '@xebec/config';
import type { AuthorizationPolicySpec, AuthorizationRule, ConfigObject } from '@xebec/schemas';
import { fieldsOf, records, strings, text } from './fields.ts';
import { generated } from './generated.ts';
import { patternsOf } from './path-pattern.ts';
import type { Report } from './problem.ts';
import { matchesOf, portsOf, type RouteMatch } from './route-group.ts';

/** Annotation that narrows a policy to workloads of one service account, which selectors by label cannot. */
export const SERVICE_ACCOUNT = 'xebec.dev/service-account';

export interface TargetContext {
  readonly find: (kind: 'HTTPRouteGroup' | 'TCPRoute', namespace: string, name: string) => ConfigObject | undefined;
  readonly report: Report;
}

/**
 * The AuthorizationPolicy of a TrafficTarget. It allows what the target says and so denies all else at the destination; what
 * cannot be said in a policy is left out and reported, never allowed. Undefined when the destination is not clear.
 */
export function convertTarget(target: ConfigObject, context: TargetContext): ConfigObject<AuthorizationPolicySpec> | undefined {
  const { report } = context;
  const fields = fieldsOf(target);
  const destination = isRecord(fields['destination']) ? fields['destination'] : {};
  const account = text(destination['name']);
  const { namespace } = target.metadata;
  if ((text(destination['kind']) || 'ServiceAccount') !== 'ServiceAccount' || account === '') {
    report(target, 'spec.destination', 'must name a ServiceAccount');
    return undefined;
  }
  const place = text(destination['namespace']);
  if (place !== '' && place !== namespace) {
    report(
      target,
      'spec.destination.namespace',
      `"${place}" is not the namespace of the TrafficTarget: only a service's own namespace can open it`,
    );
    return undefined;
  }
  const port = Number.isInteger(destination['port']) ? String(destination['port']) : undefined;
  const sources = sourcesOf(target, fields, report);
  const rules =
    sources.length === 0
      ? []
      : rulesOf(target, fields, context, port).map((rule) => ({ from: [{ source: { serviceAccounts: sources } }], ...rule }));
  return generated(
    target,
    'AuthorizationPolicy',
    `smi-target-${target.metadata.name}`,
    { action: 'ALLOW', rules },
    { [SERVICE_ACCOUNT]: account },
  );
}

function sourcesOf(target: ConfigObject, fields: Readonly<Record<string, unknown>>, report: Report): string[] {
  return records(fields['sources']).flatMap((source, index) => {
    const name = text(source['name']);
    if ((text(source['kind']) || 'ServiceAccount') === 'ServiceAccount' && name !== '')
      return [`${text(source['namespace']) || target.metadata.namespace}/${name}`];
    report(target, `spec.sources[${index}]`, 'must name a ServiceAccount; the source is left out');
    return [];
  });
}

type Rule = Omit<AuthorizationRule, 'from'>;

function rulesOf(
  target: ConfigObject,
  fields: Readonly<Record<string, unknown>>,
  { find, report }: TargetContext,
  port: string | undefined,
): readonly Rule[] {
  // v1alpha1 called them specs.
  const field = Array.isArray(fields['rules']) ? 'rules' : 'specs';
  const given = records(fields[field]);
  if (given.length === 0) report(target, 'spec.rules', 'without rules nothing is allowed');
  return given.flatMap((reference, index): Rule[] => {
    const path = `spec.${field}[${index}]`;
    const kind = text(reference['kind']);
    const name = text(reference['name']);
    if (kind !== 'HTTPRouteGroup' && kind !== 'TCPRoute') {
      report(target, `${path}.kind`, `"${kind}" is not supported; use HTTPRouteGroup or TCPRoute`);
      return [];
    }
    const found = find(kind, target.metadata.namespace, name);
    if (found === undefined) {
      report(target, `${path}.name`, `${kind} "${name}" does not exist: it allows nothing`);
      return [];
    }
    if (kind === 'TCPRoute') return tcpRules(target, found, path, port, report);
    const wanted = strings(reference['matches']);
    const matches = matchesOf(found);
    for (const missing of wanted.filter((match) => !matches.some((one) => one.name === match)))
      report(target, `${path}.matches`, `HTTPRouteGroup "${name}" has no match "${missing}"`);
    return matches
      .filter((match) => wanted.length === 0 || wanted.includes(match.name))
      .flatMap((match) => httpRule(found, match, port, report));
  });
}

function tcpRules(target: ConfigObject, route: ConfigObject, path: string, port: string | undefined, report: Report): Rule[] {
  const ports = portsOf(route);
  if (port !== undefined && ports.length > 0 && !ports.includes(port)) {
    report(target, path, `TCPRoute "${route.metadata.name}" is not for port ${port} of the destination: it allows nothing`);
    return [];
  }
  const allowed = port === undefined ? ports : [port];
  return [allowed.length === 0 ? {} : { to: [{ operation: { ports: [...allowed] } }] }];
}

function httpRule(group: ConfigObject, match: RouteMatch, port: string | undefined, report: Report): Rule[] {
  const { pathRegex, methods, headers } = match;
  const paths = pathRegex === '' ? ['*'] : patternsOf(pathRegex);
  if (paths === undefined) {
    report(
      group,
      `${match.path}.pathRegex`,
      `"${pathRegex}" cannot be a policy: use a path, /prefix.*, .*suffix, .* or alternatives of them; it allows nothing`,
    );
    return [];
  }
  const when: { key: string; values: string[] }[] = [];
  for (const [header, regex] of Object.entries(headers)) {
    const values = patternsOf(regex);
    if (values === undefined) {
      report(
        group,
        `${match.path}.headers`,
        `"${header}: ${regex}" cannot be a policy: use a value, prefix.*, .*suffix or .*; it allows nothing`,
      );
      return [];
    }
    when.push({ key: `request.headers[${header}]`, values: [...values] });
  }
  // A rule for any request of any method still says HTTP: without an operation it would allow TCP too.
  const operation = {
    paths: [...paths],
    ...(methods.length === 0 ? {} : { methods: [...methods] }),
    ...(port === undefined ? {} : { ports: [port] }),
  };
  return [{ to: [{ operation }], ...(when.length === 0 ? {} : { when }) }];
}
