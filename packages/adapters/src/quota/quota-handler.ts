import { createHash } from 'node:crypto';
import type { Logger } from '@xebec/core';
import { formatValue, type TypedValue } from '@xebec/expressions';
import type { Handler, InstanceValue, QuotaArguments, QuotaGrant } from '@xebec/policy';
import { instanceOf, type QuotaDefinition } from './quota-params.ts';
import type { QuotaAlgorithm, QuotaAnswer, QuotaRequest, QuotaStore, ShareHolder } from './quota-store.ts';

/** For a quota that is not limited. */
const UNLIMITED_VALIDITY_MS = 60_000;
const MAX_KEY_LENGTH = 200;

export interface QuotaHandlerOptions {
  readonly adapter: string;
  readonly namespace: string;
  readonly quotas: readonly QuotaDefinition[];
  readonly algorithm: (definition: QuotaDefinition) => QuotaAlgorithm;
  readonly store: QuotaStore;
  /** The answer to whom the store grants nothing. */
  readonly exhausted: QuotaGrant;
  readonly logger: Logger;
  /** What the answer is when the store cannot tell. */
  readonly unavailable: (error: unknown) => QuotaGrant;
  readonly close: () => void | Promise<void>;
}

/** Takes from a store what the quota of the instance's name allows. */
export function quotaHandler(options: QuotaHandlerOptions): Handler {
  const { adapter, namespace, quotas, algorithm, store, exhausted, logger, unavailable } = options;
  const known = new Map(quotas.map((definition) => [instanceOf(definition.name, namespace), definition]));
  const unknown = new Set<string>();
  const grant = ({ granted, validMs }: QuotaAnswer, { amount }: QuotaArguments): QuotaGrant => {
    if (granted === 0 && amount > 0) return exhausted;
    return { code: 0, message: '', amount: granted, validDurationMs: validMs };
  };
  return {
    quota: (instance, args) => {
      const definition = known.get(instance.name);
      if (definition === undefined) {
        const names = [...known.keys()].join(', ');
        if (!unknown.has(instance.name))
          logger.error({ adapter }, `there is no quota ${instance.name} in this handler, so nothing limits it; it has ${names}`);
        unknown.add(instance.name);
        return { code: 0, message: '', amount: args.amount, validDurationMs: UNLIMITED_VALIDITY_MS };
      }
      if (args.amount === 0) return { code: 0, message: '', amount: 0, validDurationMs: 0 };
      const answer = (() => {
        try {
          return store.take(quotaRequest(instance, definition, algorithm(definition), args));
        } catch (error) {
          return Promise.reject(error);
        }
      })();
      if (!(answer instanceof Promise)) return grant(answer, args);
      return answer.then((value) => grant(value, args), unavailable);
    },
    close: async () => {
      store.close();
      await options.close();
    },
  };
}

/** The limit that is meant for these dimensions, and what is counted together. */
export function quotaRequest(
  instance: InstanceValue,
  definition: QuotaDefinition,
  algorithm: QuotaAlgorithm,
  { amount, bestEffort, deduplicationId }: QuotaArguments,
): QuotaRequest {
  const fields = instance.fields['dimensions'];
  const dimensions = new Map<string, string>();
  if (fields instanceof Map)
    for (const [name, value] of fields as ReadonlyMap<string, TypedValue>) dimensions.set(name, formatValue(value)); // instanceof loses the types
  const override = definition.overrides.find((candidate) => matches(candidate.dimensions, dimensions));
  const { maxAmount, validDuration = definition.validDuration } = override ?? definition;
  const { fairShare } = definition;
  const shared = [...dimensions].filter(([name]) => fairShare?.dimensions.includes(name) !== true).sort(([a], [b]) => (a < b ? -1 : 1));
  const windowMs = validDuration;
  return {
    key: shortened(`${instance.name};${shared.map(([name, value]) => `${asciiName(name)}=${asciiName(value)}`).join(';')}`),
    limit: {
      algorithm: windowMs === 0 ? 'PERMANENT' : algorithm,
      maxAmount,
      windowMs,
      // Exact within half a percent of the window, or finer when asked.
      grainMs: Math.min(definition.bucketDuration ?? windowMs, windowMs / 200),
    },
    holders: holders(fairShare, dimensions),
    amount,
    bestEffort,
    deduplicationId,
  };
}

function holders(fairShare: QuotaDefinition['fairShare'], dimensions: ReadonlyMap<string, string>): ShareHolder[] {
  return (fairShare?.dimensions ?? []).map((name, level, tree) => {
    // A weight is of the deepest dimension it names: {tenant: gold} of the tenant, not of each of its users.
    const found = fairShare?.weights.find(
      ({ dimensions: of }) => tree.findLastIndex((dimension) => of[dimension] !== undefined) === level && matches(of, dimensions),
    );
    return { name: shortened(asciiName(dimensions.get(name) ?? '')), weight: found?.weight ?? 1 };
  });
}

function matches(wanted: Readonly<Record<string, string>>, dimensions: ReadonlyMap<string, string>): boolean {
  return Object.entries(wanted).every(([name, value]) => dimensions.get(name) === value);
}

/** Any text as ASCII without separators, and never empty. */
function asciiName(text: string): string {
  return text === '' ? '%' : encodeURIComponent(text.toWellFormed());
}

function shortened(text: string): string {
  return text.length <= MAX_KEY_LENGTH ? text : `${text.slice(0, 64)}~${createHash('sha256').update(text).digest('base64url')}`;
}
