import type { RateLimit } from '@xebec/protos/envoy/config/route/v3/route_components';
import { RateLimitUnit } from '@xebec/protos/envoy/type/v3/ratelimit_unit';
import { compileFormat } from '@xebec/telemetry';
import { type Action, asRecord, compileAction, metadataValue, type RequestFacts } from './actions.ts';
import type { Descriptor, DescriptorEntry } from './descriptor.ts';

/** `envoy.config.route.v3.RateLimit`, compiled: what one request adds to a rate limit's question. */
export interface RateLimitPolicy {
  readonly stage: number;
  readonly disableKey: string;
  /** Counted when the stream is over, without a chance to stop it. */
  readonly onStreamDone: boolean;
  /** Undefined when an action finds nothing. */
  descriptor(facts: RequestFacts): Descriptor | undefined;
}

const compiled = new WeakMap<readonly RateLimit[], readonly RateLimitPolicy[]>();

/** Compiles a list once: routes hand out the same list for every request. */
export function compilePolicies(list: readonly RateLimit[]): readonly RateLimitPolicy[] {
  const known = compiled.get(list);
  if (known !== undefined) return known;
  const policies = list.map(compilePolicy);
  compiled.set(list, policies);
  return policies;
}

function compilePolicy(proto: RateLimit): RateLimitPolicy {
  const actions: readonly Action[] = proto.actions.map(compileAction);
  const override = proto.limit?.overrideSpecifier;
  const limitKey = override?.case === 'dynamicMetadata' ? override.value.metadataKey : undefined;
  const hits = compileHits(proto);
  return {
    stage: proto.stage ?? 0,
    disableKey: proto.disableKey,
    onStreamDone: proto.applyOnStreamDone,
    descriptor(facts) {
      const entries: DescriptorEntry[] = [];
      for (const action of actions) {
        const result = action(facts);
        if (result === 'none') return undefined;
        if (result !== 'skip') entries.push(result);
      }
      return {
        entries,
        limit: limitKey === undefined ? undefined : limitOf(metadataValue(limitKey, (name) => facts.info.dynamicMetadata.get(name))),
        hits: hits(facts),
      };
    },
  };
}

/** Envoy 1.40 heeds `hits_addend` in its format form only. */
function compileHits({ hitsAddend }: RateLimit): (facts: RequestFacts) => number | undefined {
  if (hitsAddend === undefined || hitsAddend.format === '') return () => undefined;
  const format = compileFormat(hitsAddend.format);
  return (facts) => {
    const value = Number(format.format(facts));
    return Number.isSafeInteger(value) && value >= 0 ? value : undefined;
  };
}

/** `{requests_per_unit: 10, unit: HOUR}` of dynamic metadata. */
function limitOf(value: unknown): Descriptor['limit'] {
  const fields = asRecord(value);
  const count = fields?.['requests_per_unit'];
  const name = fields?.['unit'];
  if (typeof count !== 'number' || typeof name !== 'string' || !(name in units)) return undefined;
  const unit = units[name];
  return unit === undefined ? undefined : { requestsPerUnit: count, unit };
}

const units: Readonly<Record<string, RateLimitUnit>> = {
  SECOND: RateLimitUnit.SECOND,
  MINUTE: RateLimitUnit.MINUTE,
  HOUR: RateLimitUnit.HOUR,
  DAY: RateLimitUnit.DAY,
  MONTH: RateLimitUnit.MONTH,
  YEAR: RateLimitUnit.YEAR,
};
