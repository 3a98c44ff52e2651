import type { Provider } from './provider.ts';

export const MISSING = 'Jwt is missing';
export const UNKNOWN_ISSUER = 'Jwt issuer is not configured';

/** Undefined is good; a string is Envoy's text for what is wrong. */
export type Verdict = string | undefined;

/** What one leaf of a requirement asks for. */
export interface Demand {
  /** Whose locations are searched. */
  readonly providers: readonly Provider[];
  /** The provider that must have issued the token; undefined: whichever of them its issuer names. */
  readonly provider: Provider | undefined;
  /** In place of the provider's own. */
  readonly audiences: ReadonlySet<string> | undefined;
  readonly allowMissing: boolean;
  readonly allowFailed: boolean;
}

/** `JwtRequirement`, compiled. */
export type Requirement =
  | { readonly kind: 'demand'; readonly demand: Demand }
  | { readonly kind: 'any' | 'all'; readonly children: readonly Requirement[] };

/** A route asks for a requirement that the filter does not have: nobody gets in. */
export interface WrongRequirement {
  readonly kind: 'wrong';
  readonly name: string;
  readonly known: readonly string[];
}

/** Checks one demand and calls back once, at once or later. */
export type CheckDemand = (demand: Demand, done: (verdict: Verdict) => void) => void;

/** Walks a requirement: the first success of an `any`, the first failure of an `all` decides. */
export function evaluate(requirement: Requirement, check: CheckDemand, done: (verdict: Verdict) => void): void {
  if (requirement.kind === 'demand') {
    check(requirement.demand, done);
    return;
  }
  const { kind, children } = requirement;
  let error: Verdict;
  const step = (index: number): void => {
    const child = children[index];
    if (child === undefined) {
      done(error);
      return;
    }
    evaluate(child, check, (verdict) => {
      if (kind === 'all' ? verdict !== undefined : verdict === undefined) {
        done(verdict);
        return;
      }
      // That a token is someone else's says less than what is wrong with one's own.
      if (verdict !== undefined && (error === undefined || (verdict !== MISSING && verdict !== UNKNOWN_ISSUER))) error = verdict;
      step(index + 1);
    });
  };
  step(0);
}
