import type { ConfigReference } from '@xebec/translate';

/** Which proxy decides; `mesh` is what holds outside of proxies, such as names and services. */
export type Place = 'mesh' | 'source' | 'gateway' | 'destination';

export type Topic =
  | 'source'
  | 'host'
  | 'listener'
  | 'filter chain'
  | 'network filter'
  | 'HTTP filter'
  | 'virtual host'
  | 'route'
  | 'cluster'
  | 'endpoint'
  | 'transport'
  | 'identity'
  | 'application';

/** What was not chosen, and why. */
export interface Alternative {
  readonly what: string;
  readonly because: string;
  /** The objects behind it. */
  readonly origins: readonly ConfigReference[];
}

/** One decision on the way of a call. */
export interface Step {
  readonly place: Place;
  readonly topic: Topic;
  /** One line: what was decided. */
  readonly decision: string;
  /** What follows from it, or what it rests on, a line each. */
  readonly details: readonly string[];
  /** In the order in which they were tried. */
  readonly passedOver: readonly Alternative[];
  /** The objects, rules and lines that made it so; empty where it is the mesh's default. */
  readonly origins: readonly ConfigReference[];
}

export type Outcome =
  /** An application gets the request and answers it. */
  | 'delivered'
  /** It leaves the mesh to an address that the mesh does not know. */
  | 'passed through'
  /** A proxy answers 2xx or 3xx: a redirect, a direct response, a preflight. */
  | 'answered'
  /** A policy or a filter refuses it. */
  | 'denied'
  /** No route, no listener, no cluster, no endpoint. */
  | 'undeliverable'
  /** The connection ends without an HTTP answer. */
  | 'reset';

export interface Verdict {
  readonly outcome: Outcome;
  /** The HTTP status that the client sees; absent where an application decides or no HTTP answer comes. */
  readonly status?: number;
  readonly text: string;
  readonly origins: readonly ConfigReference[];
}

export interface Explanation {
  readonly steps: readonly Step[];
  readonly verdict: Verdict;
}

/** Gathers steps as the call goes on. */
export class Journey {
  readonly #steps: Step[] = [];

  add(step: Partial<Step> & Pick<Step, 'place' | 'topic' | 'decision'>): void {
    this.#steps.push({ details: [], passedOver: [], origins: [], ...step });
  }
  end(verdict: Omit<Verdict, 'origins'> & Partial<Pick<Verdict, 'origins'>>): Explanation {
    return { steps: this.#steps, verdict: { origins: [], ...verdict } };
  }
}
