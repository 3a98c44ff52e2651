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
  readonly deletionTimestamp?: string | null;
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
    readonly internalTrafficPolicy?: string;
    readonly externalIPs?: readonly string[] | null;
    readonly selector?: Readonly<Record<string, string>> | null;
    readonly ports?: readonly KubernetesServicePort[] | null;
  };
  readonly status?: {
    readonly loadBalancer?: { readonly ingress?: readonly { readonly ip?: string; readonly hostname?: string }[] | null };
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
  readonly spec?: {
    readonly serviceAccountName?: string;
    readonly nodeName?: string;
    readonly hostNetwork?: boolean;
    readonly hostname?: string;
    readonly subdomain?: string;
    readonly containers?: readonly KubernetesContainer[] | null;
    readonly initContainers?: readonly (KubernetesContainer & { readonly restartPolicy?: string })[] | null;
  };
  readonly status?: {
    readonly phase?: string;
    readonly podIP?: string;
    readonly conditions?: readonly { readonly type?: string; readonly status?: string }[] | null;
  };
}

export interface KubernetesContainer {
  readonly ports?: readonly { readonly name?: string; readonly containerPort?: number; readonly protocol?: string }[] | null;
}

export interface KubernetesNode {
  readonly metadata?: KubernetesMeta;
  readonly status?: { readonly addresses?: readonly { readonly type?: string; readonly address?: string }[] | null };
}

export interface IngressBackend {
  readonly service?: { readonly name?: string; readonly port?: { readonly name?: string; readonly number?: number } };
}

export interface IngressPath {
  readonly path?: string;
  readonly pathType?: string;
  readonly backend?: IngressBackend;
}

export interface KubernetesIngress {
  readonly metadata?: KubernetesMeta;
  readonly spec?: {
    readonly ingressClassName?: string;
    readonly defaultBackend?: IngressBackend;
    readonly tls?: readonly { readonly hosts?: readonly string[] | null; readonly secretName?: string }[] | null;
    readonly rules?:
      | readonly { readonly host?: string; readonly http?: { readonly paths?: readonly IngressPath[] | null } | null }[]
      | null;
  };
}

export interface KubernetesIngressClass {
  readonly metadata?: KubernetesMeta;
  readonly spec?: { readonly controller?: string };
}
