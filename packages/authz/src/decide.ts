import { type ConnectionTraits, compileMetadataMatcher, compileRbac, explainRbac } from '@xebec/matching';
import { type RBAC, RBAC_Action } from '@xebec/protos/envoy/config/rbac/v3/rbac';
import { createStreamInfo, type StreamInfo } from '@xebec/telemetry';
import type { RequestHead } from '@xebec/wire';
import { ASK_PREFIX, type Guard, type GuardedListeners, type GuardStep } from './guards.ts';
import { policyRule, policyText } from './policy-name.ts';
import type { RequestRecord } from './request-record.ts';

export type Answer = 'allowed' | 'denied' | 'asked';

/** What becomes of a call. */
export interface Decision {
  /** `asked`: an external authorizer decides; everything else lets it pass. */
  readonly answer: Answer;
  /** HTTP status that a denied call gets; absent on TCP, where the connection is closed. */
  readonly status?: number;
  /** The rule that decided, by its name in the proxy; undefined where none did. */
  readonly policy: string | undefined;
  /** One line that says why. */
  readonly because: string;
  /** Policies on trial that would deny. */
  readonly dryRunDenies: readonly string[];
  /** AUDIT rules that match. */
  readonly audited: readonly string[];
}

const JWT = 'envoy.filters.http.jwt_authn';

/** Decides a call by the guard of the chain that takes it, with the matchers that the proxy runs. */
export function decide(
  listeners: GuardedListeners,
  record: RequestRecord,
  change: (guard: Guard) => readonly GuardStep[] = ({ steps }) => steps,
): Decision {
  const guard = listeners.find(traitsOf(record));
  if (guard === undefined) return denied(undefined, 'no filter chain takes the connection', record);
  return walk(guard, change(guard), record);
}

function walk(guard: Guard, steps: readonly GuardStep[], record: RequestRecord): Decision {
  const info = infoOf(record);
  const request = guard.protocol === 'http' ? headOf(record) : undefined;
  const context = { request, info };
  const found = { policy: undefined as string | undefined, asks: undefined as string | undefined, allow: undefined as string | undefined };
  const dryRunDenies: string[] = [];
  const audited: string[] = [];
  const end = (decision: Decision): Decision => ({ ...decision, dryRunDenies, audited });
  for (const step of steps) {
    if (step.kind === 'tokens') {
      const refusal = takeToken(step.providers, record, info);
      if (refusal !== undefined) return end(denied(undefined, refusal, record, 401));
      continue;
    }
    if (step.kind === 'provider') {
      if (isAsked(step.condition, found.policy, info)) found.asks ??= found.policy ?? step.cluster;
      continue;
    }
    const filter = guard.protocol === 'http' ? 'envoy.filters.http.rbac' : 'envoy.filters.network.rbac';
    if (step.shadow !== undefined) {
      const shadow = compileRbac(step.shadow).evaluate(request, info);
      if (step.shadowPrefix === ASK_PREFIX) found.policy = shadow.policy;
      else if (!shadow.allowed) dryRunDenies.push(shadow.policy ?? 'none');
      info.dynamicMetadata.set(filter, {
        ...info.dynamicMetadata.get(filter),
        ...(shadow.policy === undefined ? {} : { [`${step.shadowPrefix}shadow_effective_policy_id`]: shadow.policy }),
      });
    }
    if (step.rules === undefined) continue;
    const { allowed, policy } = compileRbac(step.rules).evaluate(request, info);
    if (!allowed) return end(denied(policy, whyDenied(step.rules, policy, context), record));
    if (step.rules.action === RBAC_Action.LOG && policy !== undefined) audited.push(policy);
    if (step.rules.action === RBAC_Action.ALLOW) found.allow = policy;
  }
  if (found.asks !== undefined)
    return end({ ...allowedBy(found.asks, `${providerText(found.asks)} is asked, by ${policyText(found.asks)}`), answer: 'asked' });
  if (found.allow !== undefined) return end(allowedBy(found.allow, `allowed by ${policyText(found.allow)}`));
  return end(
    allowedBy(
      undefined,
      steps.some(({ kind }) => kind === 'rules') ? 'nothing denies it, and there is no ALLOW policy' : 'no policy applies',
    ),
  );
}

function isAsked(condition: Extract<GuardStep, { kind: 'provider' }>['condition'], marked: string | undefined, info: StreamInfo): boolean {
  if (condition === 'marked') return marked !== undefined;
  return condition === undefined || compileMetadataMatcher(condition)((filter) => info.dynamicMetadata.get(filter));
}

function allowedBy(policy: string | undefined, because: string): Decision {
  return { answer: 'allowed', policy, because, dryRunDenies: [], audited: [] };
}

function denied(policy: string | undefined, because: string, { protocol }: RequestRecord, status = 403): Decision {
  return { answer: 'denied', ...(protocol === 'http' ? { status } : {}), policy, because, dryRunDenies: [], audited: [] };
}

function providerText(policy: string): string {
  const provider = policyRule(policy)?.provider ?? '';
  return provider === '' ? 'an external authorizer' : `provider ${provider}`;
}

function whyDenied(rules: RBAC, policy: string | undefined, context: Parameters<typeof explainRbac>[1]): string {
  if (policy !== undefined) {
    const rule = policyRule(policy);
    return rule?.withoutProvider === true ? `denied by ${policyText(policy)}: its provider is unknown` : `denied by ${policyText(policy)}`;
  }
  const trials = explainRbac(rules, context);
  const [first] = trials;
  if (first === undefined) return 'no ALLOW policy matches: none has a rule that can be told here';
  const more = trials.length > 1 ? `, and ${trials.length - 1} more do not match` : '';
  return `no ALLOW policy matches: ${policyText(first.policy)} lacks ${first.failed ?? ''}${more}`;
}

function takeToken(
  providers: Extract<GuardStep, { kind: 'tokens' }>['providers'],
  { claims }: RequestRecord,
  info: StreamInfo,
): string | undefined {
  if (claims === undefined) return undefined;
  const provider = providers.find(({ issuer }) => issuer === claims['iss']);
  if (provider === undefined) return `the token is of ${String(claims['iss'])}, whom nobody trusts here`;
  info.dynamicMetadata.set(JWT, { [provider.metadata]: claims });
  return undefined;
}

/** What TLS between proxies says travels inside. */
const MESH_HTTP = ['istio-http/1.1', 'istio', 'http/1.1'];
const MESH_TCP = ['istio-peer-exchange', 'istio'];

function traitsOf(record: RequestRecord): ConnectionTraits {
  const tls = record.principal !== undefined || record.principalUnknown;
  const http = record.protocol === 'http';
  return {
    destinationAddress: record.destinationAddress,
    destinationPort: record.port,
    sourceAddress: record.sourceAddress,
    directSourceAddress: record.sourceAddress,
    sourcePort: 40_000,
    serverName: record.serverName,
    transportProtocol: tls ? 'tls' : 'raw_buffer',
    applicationProtocols: tls ? (http ? MESH_HTTP : MESH_TCP) : http ? ['http/1.1'] : [],
  };
}

function infoOf(record: RequestRecord): StreamInfo {
  const { principal } = record;
  const peer = principal === undefined ? undefined : { uriSans: [principal], dnsSans: [], subject: '', sha256: '', pem: '' };
  return createStreamInfo(
    {
      id: 1,
      remoteAddress: record.clientAddress,
      remotePort: 40_000,
      ...(record.clientAddress === record.sourceAddress ? {} : { directRemoteAddress: record.sourceAddress }),
      localAddress: record.destinationAddress,
      localPort: record.port,
      requestedServerName: record.serverName,
      listenerName: '',
      filterChainName: '',
      direction: 'inbound',
      ...(peer === undefined ? {} : { tls: { version: 'TLSv1.3', cipher: '', alpn: '', peer } }),
    },
    0,
    0,
  );
}

function headOf(record: RequestRecord): RequestHead {
  return {
    method: record.method,
    path: record.path,
    authority: record.authority,
    scheme: 'http',
    headers: [...record.headers],
    version: 'HTTP/1.1',
  };
}
