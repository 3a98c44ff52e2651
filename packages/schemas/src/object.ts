/** Where an object was read: what `explain`, `analyze` and error messages point at. Lines count from 1. */
export interface SourceReference {
  readonly file: string;
  readonly line: number;
  /** Line of each field path that was written, such as `spec.http[0].route`. */
  readonly fieldLines?: Readonly<Record<string, number>>;
}

export interface ObjectMeta {
  readonly name: string;
  /** Empty for cluster-scoped objects. */
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** RFC 3339; decides "oldest wins". Empty when unknown: sorts last. */
  readonly creationTimestamp: string;
  readonly resourceVersion: string;
  readonly uid: string;
  readonly generation: number;
}

/** An entry of `status.addresses` of a ServiceEntry. */
export interface AllocatedAddress {
  /** An IP address. */
  readonly value: string;
  readonly host: string;
}

/** A field of an object in another API: what made a part of an object that nobody wrote. */
export interface FieldOrigin {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** Field path, such as `spec.rules[0].http.paths[1]`. */
  readonly rule: string;
}

/** A configuration object after decoding: its spec has been validated and has its type. */
export interface ConfigObject<Spec = unknown> {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
  readonly spec: Spec;
  readonly source?: SourceReference;
  /** What the condition `Healthy` of a WorkloadEntry's status says, where it has one. */
  readonly healthy?: boolean;
  /** Virtual addresses that a ServiceEntry's status gives to its hosts, where it has any. */
  readonly allocated?: readonly AllocatedAddress[];
  /** Of an object made of others, as VirtualServices are of Ingresses: what each of its fields, such as `spec.http[0]`, was made of. */
  readonly origins?: Readonly<Record<string, FieldOrigin>>;
}
