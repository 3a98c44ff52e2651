import type { V1Container, V1Pod } from '@kubernetes/client-node';
import { describe, expect, it } from 'vitest';
import { containerEnvironment, expand, fieldValue, MissingReference, type ObjectSource, serviceEnvironment } from './environment.ts';

const pod: V1Pod = {
  metadata: { name: 'p', namespace: 'n', uid: 'u', labels: { app: 'a', b: 'x"y' }, annotations: { note: 'hi' } },
  spec: { serviceAccountName: 'robot', containers: [{ name: 'c', resources: { limits: { cpu: '1500m', memory: '64Mi' } } }] },
};
const facts = { podIp: '10.0.0.2', hostIp: '10.0.0.1', nodeName: 'node' };
const source: ObjectSource = {
  configMap: (namespace, name) => (namespace === 'n' && name === 'cm' ? { key: 'value', other: '1' } : undefined),
  secret: (namespace, name) => (namespace === 'n' && name === 'sec' ? { token: Buffer.from('s3') } : undefined),
};
const environment = (container: Partial<V1Container>) =>
  containerEnvironment(pod, { ...pod.spec?.containers[0], name: 'c', ...container }, { BASE: 'b' }, source, facts);

describe('expand', () => {
  it.each([
    ['$(A)-$(B)', 'one-two'],
    ['$$(A)', '$(A)'],
    ['$(NONE)', '$(NONE)'],
    ['$A $', '$A $'],
    ['$(with-dash.dot)', 'dd'],
    ['cost: $$5', 'cost: $5'],
  ])('%s becomes %s', (text, expected) => {
    expect(expand(text, { A: 'one', B: 'two', 'with-dash.dot': 'dd' })).toBe(expected);
  });
});

describe('containerEnvironment', () => {
  it('takes envFrom first, then env in order, each seeing what came before', () => {
    const env = environment({
      envFrom: [{ configMapRef: { name: 'cm' }, prefix: 'C_' }, { secretRef: { name: 'sec' } }],
      env: [
        { name: 'FIRST', value: '$(BASE)$(C_key)' },
        { name: 'SECOND', value: '$(FIRST)!$(THIRD)' },
        { name: 'THIRD', value: 'late' },
        { name: 'token', value: 'overridden' },
      ],
    });
    expect(env).toMatchObject({ BASE: 'b', C_key: 'value', C_other: '1', FIRST: 'bvalue', SECOND: 'bvalue!$(THIRD)', token: 'overridden' });
  });

  it('resolves references: fields, resources, keys', () => {
    const env = environment({
      env: [
        { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
        { name: 'CPU', valueFrom: { resourceFieldRef: { resource: 'limits.cpu' } } },
        { name: 'MEMORY', valueFrom: { resourceFieldRef: { resource: 'limits.memory', containerName: 'c' } } },
        { name: 'KEY', valueFrom: { configMapKeyRef: { name: 'cm', key: 'key' } } },
        { name: 'TOKEN', valueFrom: { secretKeyRef: { name: 'sec', key: 'token' } } },
        { name: 'NONE', valueFrom: { secretKeyRef: { name: 'absent', key: 'k', optional: true } } },
      ],
    });
    expect(env).toEqual({ BASE: 'b', IP: '10.0.0.2', CPU: '2', MEMORY: '67108864', KEY: 'value', TOKEN: 's3' });
  });

  it.each([
    [{ envFrom: [{ configMapRef: { name: 'absent' } }] }, /configmap "absent" not found/],
    [{ envFrom: [{ secretRef: { name: 'absent' } }] }, /secret "absent" not found/],
    [{ env: [{ name: 'X', valueFrom: { configMapKeyRef: { name: 'cm', key: 'nokey' } } }] }, /key nokey in ConfigMap n\/cm/],
  ])('waits for what is missing: %j', (container, message) => {
    expect(() => environment(container)).toThrow(MissingReference);
    expect(() => environment(container)).toThrow(message);
  });

  it('passes over a missing optional source', () => {
    expect(environment({ envFrom: [{ configMapRef: { name: 'absent', optional: true } }] })).toEqual({ BASE: 'b' });
  });
});

describe('fieldValue', () => {
  it.each([
    ['metadata.name', 'p'],
    ['metadata.namespace', 'n'],
    ['metadata.uid', 'u'],
    ["metadata.labels['app']", 'a'],
    ["metadata.annotations['note']", 'hi'],
    ["metadata.labels['none']", ''],
    ['metadata.labels', 'app="a"\nb="x\\"y"'],
    ['spec.nodeName', 'node'],
    ['spec.serviceAccountName', 'robot'],
    ['status.hostIP', '10.0.0.1'],
    ['spec.unknown', ''],
  ])('%s is %j', (path, expected) => {
    expect(fieldValue(pod, path, facts)).toBe(expected);
  });
});

describe('serviceEnvironment', () => {
  const services = [
    { metadata: { name: 'tcp-echo', namespace: 'n' }, spec: { clusterIP: '10.96.0.5', ports: [{ name: 'tcp-main', port: 9000 }] } },
    { metadata: { name: 'headless', namespace: 'n' }, spec: { clusterIP: 'None', ports: [{ port: 1 }] } },
    { metadata: { name: 'foreign', namespace: 'm' }, spec: { clusterIP: '10.96.0.6', ports: [{ port: 1 }] } },
  ];
  it('has the services of the namespace that have an address', () => {
    expect(serviceEnvironment(services, 'n')).toEqual({
      TCP_ECHO_SERVICE_HOST: '10.96.0.5',
      TCP_ECHO_SERVICE_PORT: '9000',
      TCP_ECHO_SERVICE_PORT_TCP_MAIN: '9000',
      TCP_ECHO_PORT_9000_TCP_ADDR: '10.96.0.5',
      TCP_ECHO_PORT: 'tcp://10.96.0.5:9000',
    });
  });
  it('points at another address where one is given', () => {
    expect(serviceEnvironment(services, 'n', '127.21.0.9')['TCP_ECHO_SERVICE_HOST']).toBe('127.21.0.9');
  });
});
