import { mkdtempSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { V1Pod, V1Volume } from '@kubernetes/client-node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mountVolumes, type VolumeContext, volumesOf, writeVolume } from './volumes.ts';

const pod: V1Pod = { metadata: { name: 'p', namespace: 'n', labels: { app: 'a' } }, spec: { containers: [{ name: 'c' }] } };
let directory: string;
let data: Record<string, string>;
let context: VolumeContext;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'vol-'));
  data = { one: '1', two: '2' };
  context = {
    pod,
    directory,
    source: {
      configMap: (_namespace, name) => (name === 'cm' ? data : undefined),
      secret: (_namespace, name) => (name === 'sec' ? { key: Buffer.from([0, 255]) } : undefined),
    },
    facts: { podIp: '', hostIp: '', nodeName: '' },
    clusterCa: 'CA',
    token: async (audience, seconds) => ({ token: `${audience}/${seconds}`, renewAtMs: 5000 }),
  };
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));
const text = (path: string) => readFileSync(join(directory, path), 'utf8');
const write = (volume: Omit<V1Volume, 'name'>) => writeVolume({ name: 'v', ...volume }, context);

describe('writeVolume', () => {
  it('writes every key of a ConfigMap, and the bytes of a Secret', async () => {
    await write({ configMap: { name: 'cm' } });
    expect([text('v/one'), text('v/two')]).toEqual(['1', '2']);
    await writeVolume({ name: 's', secret: { secretName: 'sec' } }, context);
    expect(readFileSync(join(directory, 's/key'))).toEqual(Buffer.from([0, 255]));
  });

  it('writes the items asked for, at their paths', async () => {
    await write({ configMap: { name: 'cm', items: [{ key: 'one', path: 'deep/renamed' }] } });
    expect(text('v/deep/renamed')).toBe('1');
    expect(() => text('v/two')).toThrow();
  });

  it('replaces a changed file as a whole and leaves an unchanged one alone', async () => {
    await write({ configMap: { name: 'cm' } });
    const inode = (path: string) => statSync(join(directory, path)).ino;
    const [one, two] = [inode('v/one'), inode('v/two')];
    data['one'] = 'changed';
    await write({ configMap: { name: 'cm' } });
    expect(text('v/one')).toBe('changed');
    expect(inode('v/one')).not.toBe(one);
    expect(inode('v/two')).toBe(two);
  });

  it('joins the parts of a projected volume and says when its token is due', async () => {
    const due = await write({
      projected: {
        sources: [
          { serviceAccountToken: { audience: 'istio-ca', expirationSeconds: 600, path: 'token' } },
          { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
          { downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] } },
        ],
      },
    });
    expect(due).toBe(5000);
    expect([text('v/token'), text('v/ca.crt'), text('v/labels')]).toEqual(['istio-ca/600', 'CA', 'app="a"']);
    expect(statSync(join(directory, 'v/token')).mode & 0o777).toBe(0o600);
  });

  it('waits for a missing object or key, unless it is optional', async () => {
    await expect(write({ configMap: { name: 'absent' } })).rejects.toThrow('configmap "absent" not found');
    await expect(write({ configMap: { name: 'cm', items: [{ key: 'x', path: 'x' }] } })).rejects.toThrow('configmap "cm" has no key "x"');
    await expect(write({ configMap: { name: 'absent', optional: true } })).resolves.toBeUndefined();
    await expect(write({ configMap: { name: 'cm', optional: true, items: [{ key: 'x', path: 'x' }] } })).resolves.toBeUndefined();
  });

  it('refuses a path that leaves the volume', async () => {
    await expect(write({ configMap: { name: 'cm', items: [{ key: 'one', path: '../../out' }] } })).rejects.toThrow('leaves its volume');
  });
});

describe('mountVolumes', () => {
  it('links mounts below the root, parents before what lies in them', async () => {
    await write({ configMap: { name: 'cm' } });
    await writeVolume({ name: 'outer', emptyDir: {} }, context);
    const root = join(directory, 'root');
    const container = {
      name: 'c',
      volumeMounts: [
        { name: 'v', mountPath: '/etc/outer/inner' },
        { name: 'outer', mountPath: '/etc/outer' },
        { name: 'v', mountPath: '/etc/single', subPath: 'one' },
      ],
    };
    mountVolumes(container, root, directory);
    mountVolumes(container, root, directory); // a restarted container finds its own mounts
    expect(readFileSync(join(root, 'etc/outer/inner/two'), 'utf8')).toBe('2');
    expect(readFileSync(join(root, 'etc/single'), 'utf8')).toBe('1');
    expect(readlinkSync(join(root, 'etc/outer'))).toBe('../../outer');
  });
});

describe('volumesOf', () => {
  it('adds the service account where admission did not', () => {
    expect(volumesOf(pod).map((volume) => volume.name)).toEqual(['xebec-api-access']);
    expect(volumesOf({ ...pod, spec: { containers: [], automountServiceAccountToken: false } })).toEqual([]);
    const mountPath = '/var/run/secrets/kubernetes.io/serviceaccount';
    const mounted = { containers: [{ name: 'c', volumeMounts: [{ name: 'kube-api-access-x', mountPath }] }], volumes: [] };
    expect(volumesOf({ ...pod, spec: mounted })).toEqual([]);
  });
});
