import type { TypedValue } from '@xebec/expressions';
import type { CheckResult, FieldValue } from '@xebec/policy';
import { describe, expect, it } from 'vitest';
import { configured, testEnvironment } from '../test-environment.ts';
import { opa } from './adapter.ts';

function setup(params: object) {
  const handler = configured(opa, params, testEnvironment().environment);
  return (fields: Record<string, string | Record<string, TypedValue>>): CheckResult => {
    const values = Object.entries(fields).map(([name, value]): [string, FieldValue] => [
      name,
      typeof value === 'string' ? { type: 'STRING', value } : new Map(Object.entries(value)),
    ]);
    const answer = handler.check?.({ name: 'i.istio-system', template: 'authorization', fields: Object.fromEntries(values) });
    if (answer === undefined || answer instanceof Promise) throw new Error('opa answers at once');
    return answer;
  };
}

const violations = (params: object) => opa.check(params).map(({ path, message }) => `${path.replace('spec.params.', '')}: ${message}`);

it('allows what a condition allows, and denies the rest', () => {
  const ask = setup({ policy: ['subject.user == "jane" && action.method == "GET"', 'action.path.startsWith("/public/")'] });
  expect(ask({ 'subject.user': 'jane', 'action.method': 'GET' })).toMatchObject({ code: 0, message: '' });
  expect(ask({ 'subject.user': 'joe', 'action.method': 'GET' })).toMatchObject({ code: 7, message: 'opa: request was rejected' });
  expect(ask({ 'action.path': '/public/x' }).code).toBe(0);
});
it('lets denials win, with their message, and allows all else when there are only denials', () => {
  const deny = { deny: 'action.path == "/admin"', message: 'admins only' };
  const both = setup({ policy: [{ allow: 'true' }, deny] });
  const denials = setup({ policy: [deny] });
  for (const ask of [both, denials]) {
    expect(ask({ 'action.path': '/admin' })).toMatchObject({ code: 7, message: 'opa: admins only' });
    expect(ask({ 'action.path': '/' }).code).toBe(0);
  }
});
it('reads groups as a list and properties by their types', () => {
  const ask = setup({
    policy: ['"ops" in subject.groups && action.properties.size > 3 && action.properties.labels.app.matches("^(a+)+$")'],
  });
  const action = (size: bigint, app: string) => ({
    size: { type: 'INT64', value: size } as const,
    labels: { type: 'STRING_MAP', value: new Map([['app', app]]) } as const,
  });
  expect(ask({ 'subject.groups': 'dev, ops', 'action.properties': action(4n, 'aa') }).code).toBe(0);
  expect(ask({ 'subject.groups': 'dev, ops', 'action.properties': action(3n, 'aa') }).code).toBe(7);
  expect(ask({ 'subject.groups': 'devops', 'action.properties': action(4n, 'aa') }).code).toBe(7);
  // A pattern that makes backtracking engines run for years.
  expect(ask({ 'subject.groups': 'ops', 'action.properties': action(4n, `${'a'.repeat(5000)}b`) }).code).toBe(7);
});
it('counts a condition that fails as not holding, or denies by failClose', () => {
  const policy = [{ deny: 'action.properties.size > 3' }, { allow: 'true' }];
  expect(setup({ policy })({}).code).toBe(0);
  expect(setup({ policy, failClose: true })({})).toMatchObject({ code: 7, message: expect.stringContaining('rejected: ') });
});

describe('what is wrong', () => {
  it.each([
    ['package mixerauthz\ndefault allow = false', 'this is Rego, which Mixer does not execute: write the condition in CEL'],
    ['allow { input.action.method == "GET" }', 'this is Rego'],
    ['subject.usr == "a"', 'subject has no field "usr"; did you mean "user"?'],
    ['subjekt.user == "a"', 'there is no "subjekt"; conditions read subject and action; did you mean "subject"?'],
    ['[1].exists(x, y == 1)', 'there is no "y"'],
    ['1 +', 'this is no CEL expression: line 1:3'],
    ['frobnicate(subject.user)', 'unbound function: frobnicate'],
    ['subject.user', 'the value is not true or false'],
    [' ', 'the expression is empty'],
  ])('%s', (condition, message) => expect(violations({ policy: [condition] })[0]).toContain(`policy[0]: ${message}`));
  it('takes names of macros', () => {
    expect(violations({ policy: ['subject.groups.exists(group, group == "a") && has(action.properties.x) && type(1) == int'] })).toEqual(
      [],
    );
  });
  it('wants a policy', () => {
    expect(violations({})).toEqual(['policy: required field is missing: give at least one condition']);
  });
});
