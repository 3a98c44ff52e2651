import type { BenchPart } from './part.ts';
import { framedCheck } from './requests.ts';
import { RunningMixer } from './server.ts';

/** A rule that denies, one that compares versions with a list, and a quota rule nobody asks for. */
const CONFIG = `
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: deny, namespace: istio-system}
spec: {compiledAdapter: denier, params: {status: {code: 7, message: Not allowed}}}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: nothing, namespace: istio-system}
spec: {compiledTemplate: checknothing}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: deny, namespace: istio-system}
spec:
  match: destination.labels["app"] == "ratings" && source.labels["app"] == "reviews" && source.labels["version"] == "v3"
  actions: [{handler: deny, instances: [nothing]}]
---
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: versions, namespace: istio-system}
spec: {compiledAdapter: listchecker, params: {overrides: [v1, v2, v3], blacklist: false}}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: version, namespace: istio-system}
spec: {compiledTemplate: listentry, params: {value: 'source.labels["version"] | "none"'}}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: versions, namespace: istio-system}
spec:
  match: destination.service.namespace == "default" && !request.path.startsWith("/health")
  actions: [{handler: versions, instances: [version]}]
`;

let mixer: RunningMixer | undefined;

export const check: BenchPart = {
  name: 'check',
  what: 'CPU of Mixer per uncached Check with two rules, one of them with a list, over gRPC',
  unit: 'us',
  limit: 100,
  async measure({ seconds }) {
    mixer ??= await RunningMixer.start({ 'policy.yaml': CONFIG });
    return mixer.cpuPerCall('Check', framedCheck(), seconds);
  },
  close: async () => {
    await mixer?.close();
    mixer = undefined;
  },
};
