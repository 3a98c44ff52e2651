import type { z } from 'zod';
import { FindingList, type Findings, NO_FINDINGS } from '../findings.ts';
import { isRecord, toViolations } from '../violations.ts';
import { gatewayClass, grpcRoute, httpRoute, kubernetesGateway, referenceGrant, streamRoute } from './specs.ts';

const GROUP = 'gateway.networking.k8s.io';
const SPECS: ReadonlyMap<string, z.ZodType> = new Map<string, z.ZodType>([
  ['Gateway', kubernetesGateway],
  ['GatewayClass', gatewayClass],
  ['HTTPRoute', httpRoute],
  ['GRPCRoute', grpcRoute],
  ['TCPRoute', streamRoute],
  ['TLSRoute', streamRoute],
  ['UDPRoute', streamRoute],
  ['ReferenceGrant', referenceGrant],
]);
/** The value that each type of filter needs, and that no other may have. */
const FILTER_FIELDS: Readonly<Record<string, string>> = {
  RequestHeaderModifier: 'requestHeaderModifier',
  ResponseHeaderModifier: 'responseHeaderModifier',
  RequestMirror: 'requestMirror',
  RequestRedirect: 'requestRedirect',
  URLRewrite: 'urlRewrite',
  ExtensionRef: 'extensionRef',
};

/** Shape of an object of the Gateway API, as its CRDs have it; undefined for other kinds. Its CRDs are not the mesh's to install. */
export function checkGatewayApi(apiVersion: string, kind: string, content: Readonly<Record<string, unknown>>): Findings | undefined {
  if (!apiVersion.startsWith(`${GROUP}/`)) return undefined;
  const schema = SPECS.get(kind);
  if (schema === undefined) return undefined;
  const parsed = schema.safeParse(content['spec'] ?? {}, { reportInput: true });
  if (!parsed.success) return { errors: toViolations(parsed.error, ['spec'], schema), warnings: [] };
  if (kind !== 'HTTPRoute' && kind !== 'GRPCRoute') return NO_FINDINGS;
  const findings = new FindingList();
  checkRules(parsed.data, findings);
  return findings;
}

function checkRules(spec: unknown, findings: FindingList): void {
  const rules = isRecord(spec) && Array.isArray(spec['rules']) ? spec['rules'] : [];
  for (const [index, rule] of rules.entries()) {
    if (!isRecord(rule)) continue;
    const path = ['spec', 'rules', index];
    checkFilters(rule['filters'], [...path, 'filters'], findings);
    const backends = Array.isArray(rule['backendRefs']) ? rule['backendRefs'] : [];
    for (const [number, backend] of backends.entries())
      if (isRecord(backend)) checkFilters(backend['filters'], [...path, 'backendRefs', number, 'filters'], findings);
    const redirects =
      Array.isArray(rule['filters']) && rule['filters'].some((filter) => isRecord(filter) && filter['type'] === 'RequestRedirect');
    if (redirects && backends.length > 0)
      findings.error([...path, 'backendRefs'], 'must be left out beside a RequestRedirect, which answers itself');
  }
}

function checkFilters(filters: unknown, path: readonly PropertyKey[], findings: FindingList): void {
  for (const [index, filter] of (Array.isArray(filters) ? filters : []).entries()) {
    if (!isRecord(filter)) continue;
    const wanted = FILTER_FIELDS[String(filter['type'])];
    if (wanted !== undefined && filter[wanted] === undefined)
      findings.error([...path, index, wanted], `must be set with type ${String(filter['type'])}`);
    for (const field of Object.values(FILTER_FIELDS))
      if (field !== wanted && filter[field] !== undefined)
        findings.error([...path, index, field], `cannot be set with type ${String(filter['type'])}`);
  }
}
