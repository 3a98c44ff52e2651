import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { manifest } from './run.ts';

describe('xebec adapter manifest', () => {
  it('prints the object of an adapter without params', () => {
    expect(parse(manifest('mine', { template: 'metric, listentry', namespace: 'shop' }))).toEqual({
      apiVersion: 'config.istio.io/v1alpha2',
      kind: 'adapter',
      metadata: { name: 'mine', namespace: 'shop' },
      spec: { templates: ['metric', 'listentry'] },
    });
  });
  it('refuses what Mixer could not read', () => {
    const directory = mkdtempSync(join(tmpdir(), 'xebec-adapter-'));
    try {
      const config = join(directory, 'config.binpb');
      writeFileSync(config, 'not a descriptor');
      expect(() => manifest('mine', { template: 'metric', namespace: 'shop', config })).toThrow(
        'spec.config: is no usable FileDescriptorSet',
      );
    } finally {
      rmSync(directory, { recursive: true });
    }
    expect(() => manifest('mine', { template: 'metric', namespace: 'shop', config: '/none' })).toThrow('cannot read /none');
  });
});
