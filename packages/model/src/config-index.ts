import type {
  AuthorizationPolicySpec,
  ConfigObject,
  DestinationRuleSpec,
  EnvoyFilterSpec,
  GatewaySpec,
  HttpApiSpecBindingSpec,
  HttpApiSpecSpec,
  PeerAuthenticationSpec,
  ProxyConfigSpec,
  QuotaSpecBindingSpec,
  QuotaSpecSpec,
  RequestAuthenticationSpec,
  ServiceEntrySpec,
  SidecarSpec,
  TelemetrySpec,
  TrafficExtensionSpec,
  VirtualServiceSpec,
  WasmPluginSpec,
  WorkloadEntrySpec,
  WorkloadGroupSpec,
} from '@xebec/schemas';
import { byAge } from './precedence.ts';

/** The specs that the snapshot keeps, by kind. */
export interface KnownKinds {
  VirtualService: VirtualServiceSpec;
  DestinationRule: DestinationRuleSpec;
  Gateway: GatewaySpec;
  ServiceEntry: ServiceEntrySpec;
  WorkloadEntry: WorkloadEntrySpec;
  WorkloadGroup: WorkloadGroupSpec;
  Sidecar: SidecarSpec;
  EnvoyFilter: EnvoyFilterSpec;
  ProxyConfig: ProxyConfigSpec;
  PeerAuthentication: PeerAuthenticationSpec;
  RequestAuthentication: RequestAuthenticationSpec;
  AuthorizationPolicy: AuthorizationPolicySpec;
  Telemetry: TelemetrySpec;
  WasmPlugin: WasmPluginSpec;
  TrafficExtension: TrafficExtensionSpec;
  QuotaSpec: QuotaSpecSpec;
  QuotaSpecBinding: QuotaSpecBindingSpec;
  HTTPAPISpec: HttpApiSpecSpec;
  HTTPAPISpecBinding: HttpApiSpecBindingSpec;
}

export type KnownKind = keyof KnownKinds;

/** Where objects are found by their kind, each list oldest first. */
export interface ConfigLookup {
  /** All objects of a kind. */
  all<K extends KnownKind>(kind: K): readonly ConfigObject<KnownKinds[K]>[];
  /** The objects of a kind in one namespace. */
  in<K extends KnownKind>(kind: K, namespace: string): readonly ConfigObject<KnownKinds[K]>[];
}

/** Decoded objects by kind, each list oldest first. */
export class ConfigIndex implements ConfigLookup {
  readonly #byKind: ReadonlyMap<string, readonly ConfigObject[]>;
  readonly #byNamespace: ReadonlyMap<string, readonly ConfigObject[]>;

  constructor(objects: readonly ConfigObject[]) {
    const sorted = [...objects].sort(byAge);
    this.#byKind = group(sorted, (object) => object.kind);
    this.#byNamespace = group(sorted, (object) => `${object.kind}/${object.metadata.namespace}`);
  }
  all<K extends KnownKind>(kind: K): readonly ConfigObject<KnownKinds[K]>[] {
    // The objects were decoded by the schema of their kind, so the kind tells the type of the spec.
    return (this.#byKind.get(kind) ?? []) as readonly ConfigObject<KnownKinds[K]>[];
  }
  in<K extends KnownKind>(kind: K, namespace: string): readonly ConfigObject<KnownKinds[K]>[] {
    // As above: the kind tells the type.
    return (this.#byNamespace.get(`${kind}/${namespace}`) ?? []) as readonly ConfigObject<KnownKinds[K]>[];
  }
}

function group(objects: readonly ConfigObject[], keyOf: (object: ConfigObject) => string): Map<string, ConfigObject[]> {
  const out = new Map<string, ConfigObject[]>();
  for (const object of objects) {
    const key = keyOf(object);
    const list = out.get(key);
    if (list === undefined) out.set(key, [object]);
    else list.push(object);
  }
  return out;
}
