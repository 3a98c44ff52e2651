import { z } from 'zod';
import { workloadSelector } from '../fields.ts';

export const mutualTls = z.strictObject({ mode: z.enum(['UNSET', 'DISABLE', 'PERMISSIVE', 'STRICT']).optional() });

export const peerAuthenticationSpec = z.strictObject({
  selector: workloadSelector.optional(),
  mtls: mutualTls.optional(),
  /** Key: port of the workload, as text. */
  portLevelMtls: z.record(z.string().regex(/^\d{1,5}$/), mutualTls).optional(),
});

export type PeerAuthenticationSpec = z.infer<typeof peerAuthenticationSpec>;
export type MutualTlsMode = NonNullable<z.infer<typeof mutualTls>['mode']>;
