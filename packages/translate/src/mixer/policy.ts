import type { MeshProxy } from '@xebec/model';
import { MixerClient_FailPolicy } from '@xebec/protos/xebec/filters/http/mixer/v1/mixer';
import { durationMs, type MeshConfig } from '@xebec/schemas';
import { type DurationFields, duration } from '../envoy/duration.ts';
import type { Direction } from '../listener/http-filters.ts';

/** How a proxy asks Mixer, by the mesh's configuration and its pod's annotations, which go before it (release 1.4). */
export interface CheckPolicy {
  readonly failPolicy: MixerClient_FailPolicy;
  readonly maxRetry: number;
  readonly baseRetryWait?: DurationFields;
  readonly maxRetryWait?: DurationFields;
  readonly quotaPrefetch: number;
}

const CHECK = 'policy.istio.io/check';
const RETRIES = 'policy.istio.io/checkRetries';
const BASE_WAIT = 'policy.istio.io/checkBaseRetryWaitTime';
const MAX_WAIT = 'policy.istio.io/checkMaxRetryWaitTime';
const PREFETCH = 'policy.xebec.dev/quotaPrefetch';
const MAX_RETRIES = 20;
const MAX_PREFETCH = 10_000;

/** Whether a proxy checks what comes to it, or for gateways and callers what leaves. */
export function checksCalls(mesh: MeshConfig, proxy: MeshProxy, direction: Direction): boolean {
  switch (proxy.annotations[CHECK]) {
    case 'enable':
    case 'allow-on-error':
      return true;
    case 'disable':
      return false;
    default:
      return mesh.disablePolicyChecks !== true && (direction === 'inbound' || mesh.enableClientSidePolicyCheck === true);
  }
}

/** Whether calls go on when Mixer cannot be asked. */
export function failsOpen(mesh: MeshConfig, proxy: MeshProxy): boolean {
  const given = proxy.annotations[CHECK];
  return given === 'allow-on-error' || (given !== 'enable' && mesh.policyCheckFailOpen === true);
}

export function checkPolicy(mesh: MeshConfig, proxy: MeshProxy): CheckPolicy {
  const [base, most] = [waitOf(proxy.annotations[BASE_WAIT]), waitOf(proxy.annotations[MAX_WAIT])];
  return {
    failPolicy: failsOpen(mesh, proxy) ? MixerClient_FailPolicy.FAIL_OPEN : MixerClient_FailPolicy.FAIL_CLOSE,
    maxRetry: Math.min(MAX_RETRIES, countOf(proxy.annotations[RETRIES])),
    ...(base === undefined ? {} : { baseRetryWait: base }),
    ...(most === undefined ? {} : { maxRetryWait: most }),
    quotaPrefetch: Math.min(MAX_PREFETCH, countOf(proxy.annotations[PREFETCH])),
  };
}

/** Annotations are text that nobody has checked: what is no number counts as not set. */
function countOf(text: string | undefined): number {
  return text !== undefined && /^\d{1,9}$/.test(text.trim()) ? Number(text) : 0;
}

function waitOf(text: string | undefined): DurationFields | undefined {
  const ms = text === undefined ? undefined : durationMs(text.trim());
  return text === undefined || ms === undefined || ms <= 0 ? undefined : duration(text.trim());
}
