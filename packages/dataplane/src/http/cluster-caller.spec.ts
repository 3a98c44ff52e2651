import { expect, it } from 'vitest';
import { authorityOf } from './cluster-caller.ts';

it.each([
  ['outbound|9091||istio-mixer.istio-system.svc.cluster.local', 'istio-mixer.istio-system.svc.cluster.local:9091'],
  ['outbound|80|v1|a.b', 'a.b:80'],
  ['inbound|9080||', 'inbound-9080--'],
  ['ext-authz', 'ext-authz'],
  ['ext authz/é', 'ext-authz--'],
])('the authority for cluster %s is %s', (cluster, authority) => expect(authorityOf(cluster)).toBe(authority));
