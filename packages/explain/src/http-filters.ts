import { type Any, anyUnpack } from '@bufbuild/protobuf/wkt';
import { type CompiledRoute, explainRbac, fractionOf } from '@xebec/matching';
import type { MeshSnapshot } from '@xebec/model';
import { type RBAC, RBAC_Action } from '@xebec/protos/envoy/config/rbac/v3/rbac';
import { CorsPolicySchema } from '@xebec/protos/envoy/extensions/filters/http/cors/v3/cors';
import { type HTTPFault, HTTPFaultSchema } from '@xebec/protos/envoy/extensions/filters/http/fault/v3/fault';
import { JwtAuthenticationSchema } from '@xebec/protos/envoy/extensions/filters/http/jwt_authn/v3/config';
import { RBACSchema } from '@xebec/protos/envoy/extensions/filters/http/rbac/v3/rbac';
import type { HttpConnectionManager } from '@xebec/protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import type { StreamInfo } from '@xebec/telemetry';
import type { RequestHead } from '@xebec/wire';
import type { Call } from './call.ts';
import type { Journey, Place, Verdict } from './explanation.ts';
import { originOfPolicy, originsOfMetadata } from './origins.ts';
import { percent } from './route-step.ts';

/** A request on its way through the filters of one connection manager. */
export interface FilterPass {
  readonly snapshot: MeshSnapshot;
  readonly call: Call;
  readonly request: RequestHead;
  readonly info: StreamInfo;
  readonly route: CompiledRoute | undefined;
  readonly place: Place;
  readonly journey: Journey;
}

type End = Omit<Verdict, 'origins'> & Partial<Pick<Verdict, 'origins'>>;
type Decide = (pass: FilterPass, config: Any, perRoute: Any | undefined, name: string) => End | undefined;

/** What can end a request or depends on who calls; every other filter lets all pass, or is named as not evaluated. */
const deciders: Readonly<Record<string, Decide>> = {
  'envoy.extensions.filters.http.rbac.v3.RBAC': decideRbac,
  'envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication': decideJwt,
  'envoy.extensions.filters.http.fault.v3.HTTPFault': decideFault,
  'envoy.extensions.filters.http.cors.v3.Cors': decideCors,
};

/** Filters that change or observe but never refuse. */
const bystanders = /router|grpc_stats|istio\.alpn|istio\.stats|metadata_exchange|peer_metadata|grpc_web|header_mutation|set_filter_state/;

/** Runs a request past the HTTP filters; the verdict of the first that ends it. */
export function passFilters(manager: HttpConnectionManager, pass: FilterPass): End | undefined {
  for (const { name, configType, disabled } of manager.httpFilters) {
    if (disabled) continue;
    const config = configType.case === 'typedConfig' ? configType.value : undefined;
    const type = config?.typeUrl.slice(config.typeUrl.lastIndexOf('/') + 1) ?? '';
    const perRoute = pass.route?.proto.typedPerFilterConfig[name];
    const decide = deciders[type];
    if (decide !== undefined && config !== undefined) {
      const end = decide(pass, config, perRoute, name);
      if (end !== undefined) return end;
    } else if (!bystanders.test(name)) {
      pass.journey.add({ place: pass.place, topic: 'HTTP filter', decision: `${name} is asked, and is not evaluated here` });
    }
  }
  return undefined;
}

const actions: Record<RBAC_Action, string> = {
  [RBAC_Action.ALLOW]: 'ALLOW',
  [RBAC_Action.DENY]: 'DENY',
  [RBAC_Action.LOG]: 'AUDIT',
};

function decideRbac(pass: FilterPass, config: Any, perRoute: Any | undefined): End | undefined {
  const rbac = anyUnpack(perRoute ?? config, RBACSchema) ?? anyUnpack(config, RBACSchema);
  if (rbac?.shadowRules !== undefined) reportRbac(pass, rbac.shadowRules, ' (dry run)', 'HTTP filter');
  if (rbac?.rules === undefined) return undefined;
  return reportRbac(pass, rbac.rules, '', 'HTTP filter')
    ? undefined
    : {
        outcome: 'denied',
        status: 403,
        text: `403 from the ${pass.place} proxy, "RBAC: access denied"`,
        origins: lastOrigins(pass, rbac.rules),
      };
}

/** Tells what an RBAC configuration decides; false: it refuses. Shared with connections, whose `request` is undefined. */
export function reportRbac(
  {
    snapshot,
    info,
    place,
    journey,
    request,
  }: Omit<FilterPass, 'request' | 'call' | 'route'> & { readonly request: RequestHead | undefined },
  rules: RBAC,
  suffix: string,
  topic: 'HTTP filter' | 'network filter',
): boolean {
  const trials = explainRbac(rules, { request, info });
  const matched = trials.find(({ failed }) => failed === undefined)?.policy;
  const allowed =
    rules.action === RBAC_Action.ALLOW ? matched !== undefined : rules.action === RBAC_Action.DENY ? matched === undefined : true;
  const action = actions[rules.action];
  journey.add({
    place,
    topic,
    decision: `${action} policies${suffix}: ${matched === undefined ? `none of ${trials.length} matches` : `${matched} matches`}, so the request ${allowed ? 'passes' : 'is denied'}`,
    passedOver: trials
      .filter(({ failed }) => failed !== undefined)
      .map(({ policy, failed }) => ({ what: policy, because: `the request lacks: ${failed}`, origins: originOfPolicy(snapshot, policy) })),
    origins: matched === undefined ? [] : originOfPolicy(snapshot, matched),
  });
  return allowed;
}

/** The policy that denied; where none allowed, all that might have. */
function lastOrigins({ snapshot, request, info }: FilterPass, rules: RBAC) {
  const trials = explainRbac(rules, { request, info });
  const matched = trials.filter(({ failed }) => failed === undefined);
  return (matched.length > 0 ? matched : trials).flatMap(({ policy }) => originOfPolicy(snapshot, policy));
}

function decideJwt(pass: FilterPass, config: Any): End | undefined {
  const jwt = anyUnpack(config, JwtAuthenticationSchema);
  if (jwt === undefined) return undefined;
  const { journey, place, call, info } = pass;
  const issuers = Object.values(jwt.providers).map(({ issuer }) => issuer);
  const add = (decision: string) =>
    journey.add({ place, topic: 'HTTP filter', decision, details: [`issuers known here: ${issuers.join(', ')}`] });
  if (call.claims === undefined) {
    add('there is no token to check: the request passes, and policies decide what that means');
    return undefined;
  }
  const { iss } = call.claims;
  const provider = Object.values(jwt.providers).find(({ issuer }) => issuer === iss);
  if (provider === undefined) {
    add(`the token is of ${String(iss)}, whom nobody trusts here`);
    return { outcome: 'denied', status: 401, text: `401 from the ${place} proxy, "Jwt issuer is not configured"` };
  }
  add(`the token of ${provider.issuer} is taken as valid`);
  // Where policies look for claims afterwards.
  info.dynamicMetadata.set('envoy.filters.http.jwt_authn', { [provider.payloadInMetadata]: call.claims });
  return undefined;
}

function decideFault(pass: FilterPass, config: Any, perRoute: Any | undefined, name: string): End | undefined {
  const fault = anyUnpack(perRoute ?? config, HTTPFaultSchema);
  if (fault === undefined) return undefined;
  const origins = perRoute === undefined ? [] : originsOfMetadata(pass.snapshot, pass.route?.proto.metadata);
  const delay = delayText(fault);
  const abort = fault.abort;
  if (delay === undefined && abort === undefined) return undefined;
  const share = fractionOf(abort?.percentage);
  const status = abort?.errorType.case === 'httpStatus' ? abort.errorType.value : abort?.errorType.case === 'grpcStatus' ? 200 : undefined;
  const aborts = status !== undefined && pass.call.draw < share;
  const abortText = status === undefined ? undefined : `${percent(share)} of requests are answered ${status} here`;
  pass.journey.add({
    place: pass.place,
    topic: 'HTTP filter',
    decision: `${name}: ${[delay, abortText].filter((text) => text !== undefined).join('; ')}`,
    details:
      abort === undefined || share >= 1 || share <= 0 ? [] : [`this one, with a draw of ${pass.call.draw}, ${aborts ? 'is' : 'is not'}`],
    origins,
  });
  return aborts ? { outcome: 'denied', status, text: `${status} from the ${pass.place} proxy, "fault filter abort"`, origins } : undefined;
}

function delayText({ delay }: HTTPFault): string | undefined {
  if (delay?.faultDelaySecifier.case !== 'fixedDelay') return undefined;
  const { seconds, nanos } = delay.faultDelaySecifier.value;
  return `${percent(fractionOf(delay.percentage))} of requests wait ${Number(seconds) * 1000 + nanos / 1e6} ms`;
}

function decideCors(pass: FilterPass, _config: Any, perRoute: Any | undefined): End | undefined {
  const policy = perRoute === undefined ? undefined : anyUnpack(perRoute, CorsPolicySchema);
  if (policy === undefined) return undefined;
  const { headers, method } = pass.request;
  const origin = headerOf(headers, 'origin');
  if (origin === undefined || method !== 'OPTIONS' || headerOf(headers, 'access-control-request-method') === undefined) return undefined;
  const origins = originsOfMetadata(pass.snapshot, pass.route?.proto.metadata);
  pass.journey.add({ place: pass.place, topic: 'HTTP filter', decision: 'cors: a preflight is answered here', origins });
  return { outcome: 'answered', status: 200, text: `200 from the ${pass.place} proxy: a preflight`, origins };
}

function headerOf(headers: readonly string[], name: string): string | undefined {
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return headers[i + 1];
  return undefined;
}
