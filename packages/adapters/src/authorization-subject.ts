import { formatValue, type TypedValue } from '@xebec/expressions';
import type { InstanceValue } from '@xebec/policy';

/** An instance of template `authorization`: who wants to do what. Text that it leaves out is empty. */
export interface AuthorizationRequest {
  readonly user: string;
  readonly groups: string;
  readonly subjectProperties: ReadonlyMap<string, TypedValue>;
  readonly namespace: string;
  readonly service: string;
  readonly method: string;
  readonly path: string;
  readonly actionProperties: ReadonlyMap<string, TypedValue>;
}

export function authorizationRequest({ fields }: InstanceValue): AuthorizationRequest {
  const text = (name: string): string => {
    const field = fields[name];
    return field !== undefined && 'type' in field ? formatValue(field) : '';
  };
  const map = (name: string): ReadonlyMap<string, TypedValue> => {
    const field = fields[name];
    return field === undefined || 'type' in field ? new Map() : field;
  };
  return {
    user: text('subject.user'),
    groups: text('subject.groups'),
    subjectProperties: map('subject.properties'),
    namespace: text('action.namespace'),
    service: text('action.service'),
    method: text('action.method'),
    path: text('action.path'),
    actionProperties: map('action.properties'),
  };
}
