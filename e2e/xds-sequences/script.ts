import type { Json, Resource, Type } from './resources.ts';

/** How configuration comes. */
export type Transport = 'ads-sotw' | 'ads-delta' | 'sotw' | 'delta';
export const transports: readonly Transport[] = ['ads-sotw', 'ads-delta', 'sotw', 'delta'];

/** Ports and names that a script's resources are made for; ports differ between the proxies. */
export interface Stage {
  /** The config source of the transport, with more fields of it. */
  source(more?: Json): Json;
  /** The port of a listener by name. */
  port(listener: string): number;
  /** Upstreams that answer with their name. */
  readonly a: number;
  readonly b: number;
  readonly pem: (what: 'server' | 'other', part: 'certificate' | 'key') => string;
}

export interface Step {
  readonly name: string;
  /** All there is from now on of these types. */
  readonly set?: Partial<Readonly<Record<Type, readonly Resource[]>>>;
  /** Ends the streams before. */
  readonly cut?: boolean;
  /** Sends also what nobody asked for. */
  readonly unfiltered?: boolean;
  /** Waits for so long before it looks. 120. */
  readonly settleMs?: number;
  /** Asks these listeners; by name. `http`. */
  readonly ask?: readonly string[];
}

export interface Script {
  readonly name: string;
  /** All of them when absent. */
  readonly transports?: readonly Transport[];
  readonly steps: (stage: Stage) => readonly Step[];
  /** Fields of the bootstrap. */
  readonly bootstrap?: (stage: Stage) => Json;
  /** No listeners or clusters are subscribed by the bootstrap. */
  readonly subscribes?: readonly ('cds' | 'lds')[];
  /** Listeners that are asked over TLS: the certificate's subject is compared. */
  readonly tls?: boolean;
}
