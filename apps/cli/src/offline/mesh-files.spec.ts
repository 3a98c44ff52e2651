import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { meshOfFiles } from './mesh-files.ts';

const split = (backend: string) => `apiVersion: split.smi-spec.io/v1alpha4
kind: TrafficSplit
metadata: {name: web}
spec: {service: web, backends: [${backend}]}
`;

it('SMI objects in files stand for what they stand for in a mesh', () => {
  const folder = mkdtempSync(join(tmpdir(), 'xebec-offline-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'split.yaml');
  writeFileSync(file, split('{service: web-v1, weight: 1}'));
  const { snapshot, problems } = meshOfFiles([file], { planned: false });
  expect(problems).toEqual([]);
  expect(snapshot.config.in('VirtualService', 'default').map(({ metadata }) => metadata.name)).toEqual(['smi-split-web']);
  writeFileSync(file, split('{service: web-v1, weight: -1}'));
  expect(meshOfFiles([file], { planned: false }).problems.join()).toMatch(/weight/);
});
