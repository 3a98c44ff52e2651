/** What a pod says of itself, for attributes. */
export interface WorkloadFacts {
  /** `kubernetes://<pod>.<namespace>`. */
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  /** Text form. */
  readonly ip: string;
  readonly hostIp: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount: string;
  /** Name of the Deployment, Job or other controller that owns the pod; the pod's own where nothing does. */
  readonly workloadName: string;
  /** `kubernetes://apis/apps/v1/namespaces/<namespace>/deployments/<name>`. */
  readonly owner: string;
  readonly containers: readonly { readonly name: string; readonly ports: readonly number[] }[];
}

/** Pods as Mixer sees them now. */
export interface WorkloadDirectory {
  byUid(uid: string): WorkloadFacts | undefined;
  /** Undefined too when several pods have the address (host network). */
  byIp(ip: string): WorkloadFacts | undefined;
}

/** Where no platform is watched. */
export const noWorkloads: WorkloadDirectory = { byUid: () => undefined, byIp: () => undefined };
