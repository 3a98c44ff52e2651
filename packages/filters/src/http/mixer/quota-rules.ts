import { XebecError } from '@xebec/core';
import { compileRegex } from '@xebec/matching';
import type { QuotaRule, StringMatch } from '@xebec/protos/xebec/filters/http/mixer/v1/mixer';
import { type AttributeSet, attributeText } from './attribute.ts';

/** An amount of a quota that a call is charged. */
export interface QuotaCharge {
  readonly quota: string;
  readonly amount: number;
}

interface Clause {
  readonly attribute: string;
  readonly matches: (value: string) => boolean;
}

/** Which quotas calls are charged (kind QuotaSpec). */
export interface CompiledQuotaRule {
  /** Any of them, each with all of its clauses; none: every call. */
  readonly matches: readonly (readonly Clause[])[];
  readonly charges: readonly QuotaCharge[];
}

/** Throws XebecError `E_FILTER_CONFIG` for an expression that is none and a charge that is not positive. */
export function compileQuotaRule({ match, quotas }: QuotaRule): CompiledQuotaRule {
  return {
    matches: match.map(({ clause }) => Object.entries(clause).map(([attribute, value]) => ({ attribute, matches: compileMatch(value) }))),
    charges: added(
      [],
      quotas.map(({ quota, charge }) => {
        const amount = charge === 0n ? 1 : Number(charge);
        if (quota === '' || amount < 0 || !Number.isSafeInteger(amount)) {
          throw new XebecError('E_FILTER_CONFIG', `quota_rules: quota "${quota}" with charge ${charge}: give a name and a positive charge`);
        }
        return { quota, amount };
      }),
    ),
  };
}

function compileMatch({ matchType }: StringMatch): (value: string) => boolean {
  switch (matchType.case) {
    case 'exact':
      return (value) => value === matchType.value;
    case 'prefix':
      return (value) => value.startsWith(matchType.value);
    case 'regex': {
      const regex = compileRegex(matchType.value);
      return (value) => regex.matches(value);
    }
    default:
      return () => true;
  }
}

/** What a call is charged: the quotas of all rules that match it. */
export function chargesOf<C>(rules: readonly CompiledQuotaRule[], set: AttributeSet<C>, call: C): readonly QuotaCharge[] {
  const holds = ({ attribute, matches }: Clause): boolean => {
    const found = set.get(attribute);
    const value = found === undefined ? undefined : attributeText(found, call, undefined);
    return value !== undefined && matches(value);
  };
  let charges: readonly QuotaCharge[] = [];
  for (const { matches, charges: own } of rules) {
    if (matches.length === 0 || matches.some((clauses) => clauses.every(holds))) charges = charges.length === 0 ? own : added(charges, own);
  }
  return charges;
}

/** One charge for each quota. */
function added(charges: readonly QuotaCharge[], more: readonly QuotaCharge[]): readonly QuotaCharge[] {
  const amounts = new Map<string, number>();
  for (const { quota, amount } of [...charges, ...more]) amounts.set(quota, (amounts.get(quota) ?? 0) + amount);
  return [...amounts].map(([quota, amount]) => ({ quota, amount }));
}
