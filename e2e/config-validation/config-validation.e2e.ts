import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { cases } from './cases.ts';
import { validateOurs } from './ours.ts';

/** What Envoy 1.40 said to each case (`node e2e/config-validation/record.ts ENVOY` asks it again): null where it agreed. */
const recorded: Readonly<Record<string, string | null>> = JSON.parse(
  readFileSync(new URL('./envoy-verdicts.json', import.meta.url), 'utf8'),
);

/** Where our verdict is another, and why. */
const differences: Readonly<Record<string, string>> = {
  'listener: prefix too long': 'a mask of 33 bits is nonsense: refused, Envoy makes it 32',
  'listener: http: filter: local rate limit no tokens': 'a bucket that never has a token blocks everything: refused',
  'listener: http: access log: req without query without formatter': 'operators of the formatters work without them',
  'listener: http: filter: ext authz without service': 'an authorization that asks nobody is refused',
  'cluster: policy: least request one choice': 'the rules of a policy are checked as those of every message; Envoy forgets them',
  'cluster: policy: ring hash balance factor': 'as above',
  'cluster: policy: wrr locality': 'every policy may choose within the localities',
  'cluster: extension: dynamic forward proxy': 'not executed',
  'cluster: health check: redis': 'not executed',
};

it.each(cases.map(({ name, yaml }) => ({ name, yaml })))('$name', async ({ name, yaml }) => {
  const envoy = recorded[name];
  expect(envoy, 'no verdict is recorded').not.toBeUndefined();
  const ours = await validateOurs(yaml);
  const same = (ours === undefined) === (envoy === null);
  expect(same, `Envoy: ${envoy ?? 'OK'}\nours: ${ours ?? 'OK'}`).toBe(!Object.hasOwn(differences, name));
});

it('has each case once', () => {
  expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length);
});
