import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { customResourceDefinitions } from './crd.ts';

it('deploy/crds holds the definitions as they are generated', () => {
  const file = new URL('../../../deploy/crds/config.xebec.dev.yaml', import.meta.url);
  const documents = parseAllDocuments(readFileSync(file, 'utf8')).map((document) => document.toJS());
  expect(documents).toEqual(JSON.parse(JSON.stringify(customResourceDefinitions())));
});
