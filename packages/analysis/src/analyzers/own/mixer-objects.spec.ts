import { expect, it } from 'vitest';
import { analyze } from '../../analyze.ts';
import { formatMessage } from '../../message.ts';
import { toRawObject } from '../../object.ts';

const adapters = new Map([['denier', { name: 'denier', templates: ['checknothing'], check: () => [] }]]);
const object = (kind: string, name: string, spec: unknown) => {
  const raw = toRawObject({ apiVersion: 'config.istio.io/v1alpha2', kind, metadata: { name, namespace: 'istio-system' }, spec }, 'default');
  if (raw === undefined) throw new Error(`${kind} ${name} is no object`);
  return raw;
};
const objects = [
  object('handler', 'deny', { compiledAdapter: 'denier' }),
  object('instance', 'nothing', { compiledTemplate: 'checknothing' }),
  object('rule', 'good', { match: 'request.method == "GET"', actions: [{ handler: 'deny', instances: ['nothing'] }] }),
  object('rule', 'number', { match: 'request.size', actions: [{ handler: 'deny', instances: ['nothing'] }] }),
  object('rule', 'absent', { actions: [{ handler: 'gone', instances: ['nothing'] }] }),
];

it("compiles Mixer's objects together where its adapters are known", () => {
  const messages = analyze(objects, { adapters }).filter(({ code }) => code.startsWith('XB'));
  expect(messages.map(({ code, subject }) => [code, subject.name])).toEqual([
    ['XB0008', 'number'],
    ['XB0009', 'absent'],
  ]);
  expect(formatMessage(messages[0] ?? expect.fail('no message'))).toContain('spec.match');
  expect(analyze(objects).filter(({ code }) => code.startsWith('XB'))).toEqual([]);
});
