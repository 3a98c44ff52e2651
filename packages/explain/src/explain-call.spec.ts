import type { MeshSnapshot } from '@xebec/model';
import { describe, expect, it } from 'vitest';
import type { Call } from './call.ts';
import { explainCall } from './explain-call.ts';
import type { Explanation, Topic } from './explanation.ts';
import { findGateway } from './gateways.ts';
import { shop } from './testing/shop.ts';
import { explanationText, referenceText } from './text.ts';
import { findWorkload } from './workloads.ts';

function from(snapshot: MeshSnapshot, workload: string, call: Partial<Call> & Pick<Call, 'authority'>): Explanation {
  const found = findWorkload(snapshot, workload);
  if (!found.ok) throw new Error(found.error);
  return explainCall(snapshot, { ...request, ...call, caller: { kind: 'workload', ...found.value } });
}
function outside(snapshot: MeshSnapshot, call: Partial<Call> & Pick<Call, 'authority'>): Explanation {
  const found = findGateway(snapshot, undefined);
  if (!found.ok) throw new Error(found.error);
  return explainCall(snapshot, { ...request, ...call, caller: { kind: 'outside', gateway: found.value, address: '198.51.100.1' } });
}
const request = { method: 'GET', path: '/', scheme: 'http', headers: [], draw: 0 } as const;

const steps = ({ steps: all }: Explanation, topic: Topic) => all.filter((step) => step.topic === topic);
const origins = (list: readonly { readonly origins: Explanation['verdict']['origins'] }[]) =>
  list.flatMap((one) => one.origins.map(referenceText));

const ROUTES = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http:
  - match: [{headers: {end-user: {exact: jason}}}]
    route: [{destination: {host: reviews, subset: v2}}]
  - rewrite: {uri: /all}
    match: [{uri: {prefix: /reviews}}]
    route: [{destination: {host: reviews, subset: v1}, weight: 30}, {destination: {host: reviews, subset: v2}, weight: 70}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
`;

describe('explainCall', () => {
  it('names the route that took the call, those that did not, and the lines behind both', () => {
    const mesh = shop(ROUTES);
    const jason = from(mesh, 'web', { authority: 'reviews:9080', headers: ['end-user', 'jason'] });
    expect(jason.verdict).toMatchObject({ outcome: 'delivered', text: 'reviews-v2.default answers' });
    expect(origins(steps(jason, 'route'))).toEqual(['rules.yaml:7 VirtualService default/reviews spec.http[0].match[0]']);
    const other = from(mesh, 'web', { authority: 'reviews:9080', path: '/reviews/1', draw: 0.29 });
    const [route] = steps(other, 'route');
    expect(route?.passedOver).toMatchObject([{ what: 'route 1', because: 'the request lacks: header end-user exact "jason"' }]);
    expect(route?.details).toContain('path becomes /all/1');
    expect(other.verdict.text).toBe('reviews-v1.default answers');
    expect(from(mesh, 'web', { authority: 'reviews:9080', path: '/reviews/1', draw: 0.3 }).verdict.text).toBe('reviews-v2.default answers');
    expect(from(mesh, 'web', { authority: 'reviews:9080', path: '/x' }).verdict).toMatchObject({ outcome: 'undeliverable', status: 404 });
  });

  it('names the delegate that a route came from', () => {
    const mesh = shop(`apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: root}
spec:
  hosts: [reviews]
  http:
  - match: [{uri: {prefix: /a}}]
    route: [{destination: {host: web}}]
  - match: [{uri: {prefix: /b}}]
    delegate: {name: leaf}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: leaf}
spec:
  http:
  - match: [{uri: {prefix: /b/1}}]
    route: [{destination: {host: web}}]
  - route: [{destination: {host: reviews}}]
`);
    const origin = (path: string) => origins(steps(from(mesh, 'web', { authority: 'reviews:9080', path }), 'route').slice(0, 1));
    expect(origin('/a')).toEqual(['rules.yaml:7 VirtualService default/root spec.http[0].match[0]']);
    expect(origin('/b/1')).toEqual(['rules.yaml:17 VirtualService default/leaf spec.http[0]']);
    expect(origin('/b/2')).toEqual(['rules.yaml:19 VirtualService default/leaf spec.http[1]']);
  });

  it('says which policy denies, or what the policies that allow wanted', () => {
    const mesh = shop(`apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: readers}
spec:
  selector: {matchLabels: {app: reviews}}
  rules:
  - from: [{source: {principals: [cluster.local/ns/default/sa/web]}}]
    to: [{operation: {methods: [GET]}}]
`);
    expect(from(mesh, 'web', { authority: 'reviews:9080' }).verdict.outcome).toBe('delivered');
    const post = from(mesh, 'web', { authority: 'reviews:9080', method: 'POST' });
    expect(post.verdict).toMatchObject({ outcome: 'denied', status: 403 });
    expect(origins([post.verdict])).toEqual(['rules.yaml:7 AuthorizationPolicy default/readers spec.rules[0]']);
    const passedOver = steps(post, 'HTTP filter').flatMap((step) => step.passedOver.map(({ because }) => because));
    expect(passedOver).toEqual(['the request lacks: header :method exact "GET"']);
    // A caller in plain text has no principal.
    expect(from(mesh, 'legacy', { authority: 'reviews:9080' }).verdict).toMatchObject({ outcome: 'denied', status: 403 });
  });

  it('knows what STRICT does to callers without mTLS', () => {
    const mesh = shop(`apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default}
spec: {mtls: {mode: STRICT}}
`);
    expect(from(mesh, 'web', { authority: 'reviews:9080' }).verdict.outcome).toBe('delivered');
    const legacy = from(mesh, 'legacy', { authority: 'reviews:9080' });
    expect(legacy.verdict.outcome).toBe('reset');
    expect(origins([legacy.verdict])).toEqual(['rules.yaml:4 PeerAuthentication default/default spec.mtls.mode']);
  });

  it('checks tokens and hands their claims to policies', () => {
    const mesh = shop(`apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: tokens}
spec:
  selector: {matchLabels: {app: reviews}}
  jwtRules: [{issuer: https://good.example, jwks: '{"keys":[]}'}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: admins}
spec:
  selector: {matchLabels: {app: reviews}}
  rules: [{when: [{key: 'request.auth.claims[role]', values: [admin]}]}]
`);
    const outcome = (claims?: Record<string, unknown>) =>
      from(mesh, 'web', { authority: 'reviews:9080', ...(claims === undefined ? {} : { claims }) }).verdict;
    expect(outcome()).toMatchObject({ outcome: 'denied', status: 403 });
    expect(outcome({ iss: 'https://bad.example' })).toMatchObject({ outcome: 'denied', status: 401 });
    expect(outcome({ iss: 'https://good.example', role: 'user' })).toMatchObject({ outcome: 'denied', status: 403 });
    expect(outcome({ iss: 'https://good.example', role: 'admin' })).toMatchObject({ outcome: 'delivered' });
  });

  it('follows TCP, hosts that nobody knows, and ports that a service lacks', () => {
    const mesh = shop('');
    const tcp = from(mesh, 'web', { authority: 'store:6000' });
    expect(steps(tcp, 'route').map(({ decision }) => decision)).toContain('TCP goes to outbound|6000||store.default.svc.cluster.local');
    expect(tcp.verdict.outcome).toBe('delivered');
    expect(from(mesh, 'web', { authority: 'nowhere.example' }).verdict.outcome).toBe('passed through');
    const only = shop('', { outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } });
    expect(from(only, 'web', { authority: 'nowhere.example:4444' }).verdict.outcome).toBe('reset');
    expect(steps(from(mesh, 'web', { authority: 'reviews:1' }), 'host')[0]?.details).toEqual(['it has no port 1; its ports: 9080 http']);
    expect(from(mesh, 'web', { authority: 'legacy' }).verdict.text).toBe('legacy.default answers');
  });

  it('comes in by a gateway: servers, redirects, faults', () => {
    const mesh = shop(`apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: shop}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: [shop.example], tls: {httpsRedirect: true}}
  - {port: {number: 443, name: https, protocol: HTTPS}, hosts: [shop.example], tls: {mode: SIMPLE, credentialName: cert}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop}
spec:
  hosts: [shop.example]
  gateways: [shop]
  http:
  - fault: {abort: {percentage: {value: 10}, httpStatus: 555}}
    route: [{destination: {host: reviews}}]
`);
    expect(outside(mesh, { authority: 'shop.example', path: '/a' }).verdict).toMatchObject({
      outcome: 'answered',
      status: 301,
      text: '301 from the gateway proxy, to https://shop.example/a',
    });
    expect(outside(mesh, { authority: 'shop.example', scheme: 'https', draw: 0.5 }).verdict.outcome).toBe('delivered');
    const aborted = outside(mesh, { authority: 'shop.example', scheme: 'https', draw: 0.05 });
    expect(aborted.verdict).toMatchObject({ outcome: 'denied', status: 555 });
    expect(origins([aborted.verdict])).toEqual(['rules.yaml:17 VirtualService default/shop spec.http[0]']);
    expect(outside(mesh, { authority: 'other.example', scheme: 'https' }).verdict.outcome).toBe('reset');
    expect(outside(mesh, { authority: 'shop.example:81' }).verdict.text).toBe('the connection to port 81 is refused');
  });

  it('names the path of the Ingress that a way in was made of', () => {
    const mesh = shop(`apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: front, annotations: {kubernetes.io/ingress.class: istio}}
spec:
  rules:
  - host: shop.example
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}
      - {path: /reviews, pathType: Prefix, backend: {service: {name: reviews, port: {number: 9080}}}}
`);
    const explained = outside(mesh, { authority: 'shop.example', path: '/reviews/1' });
    expect(explained.verdict.outcome).toBe('delivered');
    expect(origins(steps(explained, 'route'))).toContain('Ingress default/front spec.rules[0].http.paths[1]');
  });

  it('prints one line a decision, with what was passed over and the lines behind', () => {
    const text = explanationText(from(shop(ROUTES), 'web', { authority: 'reviews:9080', path: '/reviews/1' }));
    expect(text).toContain("\nAt the caller's proxy\n");
    expect(text).toContain(
      'not route 1: the request lacks: header end-user exact "jason"  [rules.yaml:7 VirtualService default/reviews spec.http[0].match[0]]',
    );
    expect(text.trimEnd().split('\n').at(-1)).toBe('=> reviews-v1.default answers');
  });

  it('says what there is when a name is unknown', () => {
    const mesh = shop('');
    expect(findWorkload(mesh, 'nobody')).toEqual({
      ok: false,
      error: 'no workload "nobody"; there are: legacy.default, reviews-v1.default, reviews-v2.default, store.default, web.default',
    });
    expect(findGateway(mesh, undefined)).toMatchObject({ ok: false });
  });
});
