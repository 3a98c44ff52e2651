import type { z } from 'zod';
import type { Findings } from './findings.ts';
import type { ConfigObject } from './object.ts';

export interface PrinterColumn {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'date';
  readonly jsonPath: string;
  readonly description?: string;
}

/** Everything that is derived from a kind: types, validation, CRD, docs. */
export interface KindDefinition {
  readonly kind: string;
  readonly group: string;
  /** Storage version first. */
  readonly versions: readonly [string, ...string[]];
  readonly plural: string;
  readonly shortNames: readonly string[];
  readonly spec: z.ZodType;
  /** What admission says of an object whose spec is of this schema; a method, so that each kind's takes its own type. */
  check?(object: ConfigObject): Findings;
  readonly printerColumns: readonly PrinterColumn[];
  /** MCP collection, as release 1.4 named it. */
  readonly collection: string;
  /** What Mixer reads an object of an older kind as: the kind names the adapter or template, the spec is its params. */
  readonly readAs?: 'handler' | 'instance';
}
