import type { z } from 'zod';

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
  readonly printerColumns: readonly PrinterColumn[];
  /** MCP collection, as release 1.4 named it. */
  readonly collection: string;
}
