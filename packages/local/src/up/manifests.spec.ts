import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type KubeClient, KubeError } from '../node/kube-client.ts';
import { startTimeOf } from '../node/processes.ts';
import { applyObject, collectionPath, type ManifestObject, readManifests } from './manifests.ts';
import { readUpState, removeUpState, runningUp, writeUpState } from './up-state.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'man-'));
});
afterEach(() => rmSync(folder, { recursive: true }));
const file = (name: string, text: string) => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
const named = (kind: string, name: string) => `apiVersion: v1\nkind: ${kind}\nmetadata: {name: ${name}}\n`;

describe('readManifests', () => {
  it('reads a folder in order of names, every document, and nothing but YAML', () => {
    file('b.yaml', `${named('Service', 'three')}---\n# only a comment\n---\n${named('Service', 'four')}`);
    file('a.yml', `${named('Secret', 'one')}---\n${named('Secret', 'two')}`);
    file('c.txt', 'not: [yaml');
    expect(readManifests(folder).map((object) => object.metadata.name)).toEqual(['one', 'two', 'three', 'four']);
  });
  it('names file and line of what it cannot read', () => {
    expect(() => readManifests(file('bad.yaml', 'a: 1\nb: [1\nc: 2\n'))).toThrow(/bad\.yaml:\d+: /);
    expect(() => readManifests(file('bare.yaml', 'kind: Service\n'))).toThrow(
      /bare\.yaml: an object lacks apiVersion, kind or metadata\.name/,
    );
  });
});

describe('collectionPath', () => {
  it.each([
    ['v1', 'Pod', 'n', '/api/v1/namespaces/n/pods'],
    ['v1', 'Namespace', undefined, '/api/v1/namespaces'],
    ['v1', 'Service', undefined, '/api/v1/namespaces/default/services'],
    ['networking.istio.io/v1', 'Gateway', 'n', '/apis/networking.istio.io/v1/namespaces/n/gateways'],
    ['networking.istio.io/v1', 'ServiceEntry', 'n', '/apis/networking.istio.io/v1/namespaces/n/serviceentries'],
    ['security.istio.io/v1', 'AuthorizationPolicy', 'n', '/apis/security.istio.io/v1/namespaces/n/authorizationpolicies'],
    ['rbac.authorization.k8s.io/v1', 'ClusterRole', undefined, '/apis/rbac.authorization.k8s.io/v1/clusterroles'],
  ])('%s %s', (apiVersion, kind, namespace, path) => {
    const object: ManifestObject = { apiVersion, kind, metadata: { name: 'x', ...(namespace === undefined ? {} : { namespace }) } };
    expect(collectionPath(object, 'default')).toBe(path);
  });
});

describe('applyObject', () => {
  it('brings stored webhooks to what the manifest says, with the CA bundle that Galley wrote', async () => {
    const webhook = (name: string, caBundle?: string) => ({ name, clientConfig: caBundle === undefined ? {} : { caBundle } });
    const base = { apiVersion: 'admissionregistration.k8s.io/v1', kind: 'ValidatingWebhookConfiguration' };
    const stored = { ...base, metadata: { name: 'w', resourceVersion: '7' }, webhooks: [webhook('a', 'Q0E=')] };
    const wanted = { ...base, metadata: { name: 'w' }, webhooks: [webhook('a'), webhook('b')] };
    const patches: unknown[] = [];
    const client: Pick<KubeClient, 'post' | 'get' | 'mergePatch'> = {
      post: () => Promise.reject(new KubeError(409, 'exists')),
      // The answers are of the only type that is asked for here.
      get: async <T>() => stored as T,
      mergePatch: async <T>(_path: string, patch: unknown) => {
        patches.push(patch);
        return stored as T;
      },
    };
    await applyObject(client, wanted);
    expect(patches).toEqual([
      { ...base, metadata: { name: 'w', resourceVersion: '7' }, webhooks: [webhook('a', 'Q0E='), webhook('b', 'Q0E=')] },
    ]);
  });
});

describe('up state', () => {
  it('counts as running only while the very process lives', () => {
    const supervisor = { pid: process.pid, startTime: startTimeOf(process.pid) ?? '' };
    writeUpState(folder, { supervisor, apiPort: 1, children: {} });
    expect(runningUp(folder)?.supervisor.pid).toBe(process.pid);
    writeUpState(folder, { supervisor: { ...supervisor, startTime: '1' }, apiPort: 1, children: {} });
    expect(runningUp(folder)).toBeUndefined();
    expect(readUpState(folder)?.apiPort).toBe(1);
    removeUpState(folder);
    expect(readUpState(folder)).toBeUndefined();
    file('up.json', '{"supervisor":');
    expect(readUpState(folder)).toBeUndefined();
  });
});
