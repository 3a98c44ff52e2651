import type { Random } from '@xebec/core';

/** A service of the random mesh: which backends serve it, in which subsets, under which rule. */
interface RandomService {
  endpoints: { readonly port: number; readonly subset: string }[];
}

interface RandomRoute {
  readonly prefix: string;
  readonly destinations: readonly { readonly service: string; readonly subset: string | undefined; readonly weight: number }[];
}

const SUBSETS = ['a', 'b', 'c'];
const MAX_SERVICES = 6;

/**
 * A mesh behind gateways that is consistent at every moment: rules name services and subsets that exist and have an endpoint
 * which answers. So a request that fails has met two moments at once.
 */
export class RandomMesh {
  readonly #random: Random;
  readonly #ports: readonly number[];
  readonly #services = new Map<string, RandomService>();
  #routes: RandomRoute[] = [];
  #names = 0;

  /** `ports` are those of the backends, all of which answer all the time. */
  constructor(random: Random, ports: readonly number[]) {
    this.#random = random;
    this.#ports = ports;
    for (let i = 0; i < 3; i++) this.#addService();
    this.#routes = [this.#route('/')];
  }
  /** Makes one change of a random kind, and says which. */
  change(): string {
    const kinds = [
      () => this.#addService(),
      () => this.#removeService(),
      () => this.#moveEndpoints(),
      () => this.#moveEndpoints(),
      () => this.#moveEndpoints(),
      () => this.#changeRoute(),
      () => this.#changeRoute(),
      () => this.#addRoute(),
      () => this.#removeRoute(),
    ];
    for (;;) {
      const done = this.#pick(kinds)();
      if (done !== undefined) return done;
    }
  }
  /** A path that some rule matches. */
  path(): string {
    return `${this.#pick(this.#routes).prefix}x${Math.floor(this.#random.next() * 10)}`;
  }
  /** All objects as one text, so that a change of several is seen as one; its rules are for the gateways named. */
  yaml(gateways: readonly string[]): string {
    const documents: string[] = [];
    for (const [name, { endpoints }] of this.#services) {
      const host = `${name}.default.svc.cluster.local`;
      const list = endpoints.map(({ port, subset }) => `  - {address: 127.0.0.1, ports: {http: ${port}}, labels: {version: ${subset}}}`);
      const subsets = [...new Set(endpoints.map(({ subset }) => subset))].map(
        (subset) => `  - {name: ${subset}, labels: {version: ${subset}}}`,
      );
      documents.push(
        `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ${name}, namespace: default}
spec:
  hosts: [${host}]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints:
${list.join('\n')}
`,
        `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ${name}, namespace: default}
spec:
  host: ${host}
  subsets:
${subsets.join('\n')}
`,
      );
    }
    const rules = this.#routes.map(({ prefix, destinations }) => {
      const to = destinations.map(({ service, subset, weight }) => {
        const chosen = subset === undefined ? '' : `, subset: ${subset}`;
        return `{destination: {host: ${service}.default.svc.cluster.local${chosen}}, weight: ${weight}}`;
      });
      return `  - {match: [{uri: {prefix: ${prefix}}}], route: [${to.join(', ')}]}`;
    });
    documents.push(`apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: all, namespace: default}
spec:
  hosts: ["*"]
  gateways: [${gateways.join(', ')}]
  http:
${rules.join('\n')}
`);
    return documents.join('---\n');
  }

  #addService(): string | undefined {
    if (this.#services.size >= MAX_SERVICES) return undefined;
    const name = `s${this.#names++}`;
    this.#services.set(name, { endpoints: this.#endpoints() });
    return `service ${name} comes`;
  }
  /** The rules that name it go elsewhere in the same change. */
  #removeService(): string | undefined {
    if (this.#services.size < 3) return undefined;
    const name = this.#pick([...this.#services.keys()]);
    this.#services.delete(name);
    this.#repairRoutes();
    return `service ${name} goes`;
  }
  #moveEndpoints(): string {
    const name = this.#pick([...this.#services.keys()]);
    this.#services.set(name, { endpoints: this.#endpoints() });
    this.#repairRoutes();
    return `endpoints of ${name} move`;
  }
  #changeRoute(): string {
    const index = Math.floor(this.#random.next() * this.#routes.length);
    const { prefix = '/' } = this.#routes[index] ?? {};
    this.#routes[index] = this.#route(prefix);
    return `route ${prefix} changes`;
  }
  #addRoute(): string | undefined {
    if (this.#routes.length > 5) return undefined;
    const prefix = `/p${this.#names++}/`;
    this.#routes.unshift(this.#route(prefix));
    return `route ${prefix} comes`;
  }
  #removeRoute(): string | undefined {
    if (this.#routes.length < 2) return undefined;
    const [gone] = this.#routes.splice(Math.floor(this.#random.next() * (this.#routes.length - 1)), 1);
    return `route ${gone?.prefix} goes`;
  }
  #repairRoutes(): void {
    this.#routes = this.#routes.map((route) => {
      const exists = route.destinations.every(({ service, subset }) => {
        const found = this.#services.get(service);
        return found !== undefined && (subset === undefined || found.endpoints.some((endpoint) => endpoint.subset === subset));
      });
      return exists ? route : this.#route(route.prefix);
    });
  }
  #route(prefix: string): RandomRoute {
    const first = this.#destination();
    if (this.#random.next() < 0.6) return { prefix, destinations: [{ ...first, weight: 100 }] };
    return {
      prefix,
      destinations: [
        { ...first, weight: 30 },
        { ...this.#destination(), weight: 70 },
      ],
    };
  }
  #destination(): { service: string; subset: string | undefined } {
    const service = this.#pick([...this.#services.keys()]);
    const { endpoints } = this.#services.get(service) ?? { endpoints: [] };
    return { service, subset: this.#random.next() < 0.3 ? undefined : this.#pick(endpoints).subset };
  }
  #endpoints(): RandomService['endpoints'] {
    const count = 1 + Math.floor(this.#random.next() * 3);
    return Array.from({ length: count }, () => ({ port: this.#pick(this.#ports), subset: this.#pick(SUBSETS) })).filter(
      (endpoint, index, all) => all.findIndex(({ port }) => port === endpoint.port) === index,
    );
  }
  #pick<T>(list: readonly T[]): T {
    const chosen = list[Math.floor(this.#random.next() * list.length)];
    if (chosen === undefined) throw new Error('nothing to choose from');
    return chosen;
  }
}
