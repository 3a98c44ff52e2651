/** An AuthorizationPolicy's rule, as proxies know it. */
export interface PolicyRule {
  readonly namespace: string;
  readonly name: string;
  /** From 0. */
  readonly rule: number;
  /** Of a CUSTOM policy. */
  readonly provider: string | undefined;
  /** The provider cannot be asked, and so the proxy denies. */
  readonly withoutProvider: boolean;
}

const NAME = /^(?:istio-ext-authz-(.*?)-?)?ns\[(.+?)\]-policy\[(.+?)\]-rule\[(\d+)\](-deny-due-to-bad-CUSTOM-action)?$/;

/** Reads `ns[NS]-policy[NAME]-rule[i]` and what CUSTOM policies write around it; undefined for any other name. */
export function policyRule(text: string): PolicyRule | undefined {
  const [found, provider, namespace = '', name = '', rule = '0', bad] = NAME.exec(text) ?? [];
  return found === undefined ? undefined : { namespace, name, rule: Number(rule), provider, withoutProvider: bad !== undefined };
}

/** `namespace/name rule 0`, or the text itself where it is no policy's. */
export function policyText(text: string): string {
  const policy = policyRule(text);
  return policy === undefined ? text : `${policy.namespace}/${policy.name} rule ${policy.rule}`;
}
