/**
 * The parts of Kubernetes objects that the registry reads. Everything is optional, for the objects come from outside: readers
 * give defaults where the API does.
 */
export interface KubernetesMeta {
  readonly name?: string;
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>> | null;
  readonly annotations?: Readonly<Record<string, string>> | null;
  readonly creationTimestamp?: string | null;
  readonly ownerReferences?: readonly { readonly kind?: string; readonly name?: string; readonly controller?: boolean }[] | null;
}

export interface KubernetesServicePort {
  readonly name?: string;
  readonly port?: number;
  readonly targetPort?: number | string;
  readonly protocol?: string;
  readonly appProtocol?: string;
}

export interface KubernetesService {
  readonly metadata?: KubernetesMeta;
  readonly spec?: {
    readonly type?: string;
    readonly clusterIP?: string;
    readonly clusterIPs?: readonly string[] | null;
    readonly externalName?: string;
    readonly publishNotReadyAddresses?: boolean;
    readonly trafficDistribution?: string;
    readonly selector?: Readonly<Record<string, string>> | null;
    readonly ports?: readonly KubernetesServicePort[] | null;
  };
}

export interface KubernetesEndpointSlice {
  readonly metadata?: KubernetesMeta;
  readonly addressType?: string;
  readonly endpoints?:
    | readonly {
        readonly addresses?: readonly string[] | null;
        readonly conditions?: { readonly ready?: boolean | null; readonly serving?: boolean | null; readonly terminating?: boolean | null };
        readonly targetRef?: { readonly kind?: string; readonly name?: string; readonly namespace?: string } | null;
        readonly nodeName?: string | null;
        readonly zone?: string | null;
      }[]
    | null;
  readonly ports?: readonly { readonly name?: string | null; readonly port?: number | null; readonly protocol?: string | null }[] | null;
}

export interface KubernetesPod {
  readonly metadata?: KubernetesMeta;
  readonly spec?: { readonly serviceAccountName?: string; readonly nodeName?: string; readonly hostNetwork?: boolean };
  readonly status?: { readonly phase?: string; readonly podIP?: string };
}

export interface KubernetesNode {
  readonly metadata?: KubernetesMeta;
}
