/** What the injector knows besides the pod. Every field but `namespace` has the default that istiod has. */
export interface InjectionParameters {
  /** The pod's namespace: an admission request names it where the pod itself does not. */
  readonly namespace: string;
  readonly namespaceLabels?: Readonly<Record<string, string>>;
  /** Default `xebec/proxy:latest`. */
  readonly proxyImage?: string;
  /** Revision of the control plane; default `default`. */
  readonly revision?: string;
  /** What happens to a pod that says nothing, in a namespace that is labelled for injection; default `enabled`. */
  readonly policy?: 'enabled' | 'disabled';
  readonly neverInjectSelector?: readonly Readonly<Record<string, string>>[];
  readonly alwaysInjectSelector?: readonly Readonly<Record<string, string>>[];
  readonly meshConfig?: InjectionMeshConfig;
  readonly clusterId?: string;
  readonly network?: string;
  /** Host and port of the CA; default `istio-citadel.istio-system.svc:8060`. */
  readonly caAddress?: string;
}

/** The part of MeshConfig that changes what is injected. */
export interface InjectionMeshConfig {
  readonly trustDomain?: string;
  readonly meshId?: string;
  readonly enablePrometheusMerge?: boolean;
  /** `defaultConfig`: handed to the agent as PROXY_CONFIG. */
  readonly defaultConfig?: Readonly<Record<string, unknown>>;
}

export const PROXY_CONTAINER = 'istio-proxy';
export const INIT_CONTAINER = 'istio-init';
export const STATUS_ANNOTATION = 'sidecar.istio.io/status';
export const PROXY_UID = 1337;
