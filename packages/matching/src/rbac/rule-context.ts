import type { StreamInfo } from '@xebec/telemetry';
import type { RequestHead } from '@xebec/wire';
import type { HeaderLookup } from '../header-matcher.ts';
import { requestHeaderValues } from '../request-header.ts';

/** What RBAC rules look at. There is no request on a TCP connection: then no header exists. */
export interface RuleContext {
  readonly request: RequestHead | undefined;
  readonly info: StreamInfo;
}

export type Rule = (context: RuleContext) => boolean;

export function ruleHeader(context: RuleContext): HeaderLookup {
  const { request } = context;
  return (name) => (request === undefined ? undefined : requestHeaderValues(request, name));
}

export const always: Rule = () => true;
export const never: Rule = () => false;
export const allOf = (rules: readonly Rule[]): Rule =>
  rules.length === 1 ? (rules[0] ?? always) : (context) => rules.every((rule) => rule(context));
export const anyOf = (rules: readonly Rule[]): Rule =>
  rules.length === 1 ? (rules[0] ?? never) : (context) => rules.some((rule) => rule(context));
export const not =
  (rule: Rule): Rule =>
  (context) =>
    !rule(context);
