import { z } from 'zod';
import { stringMatch } from '../fields.ts';

/** `config.istio.io/v1alpha2` QuotaSpec: what requests are charged. */
export const quotaSpecSpec = z.strictObject({
  rules: z
    .array(
      z.strictObject({
        /** Any of them; none: every request. */
        match: z.array(z.strictObject({ clause: z.record(z.string(), stringMatch).optional() })).optional(),
        quotas: z.array(z.strictObject({ quota: z.string().optional(), charge: z.int().optional() })).optional(),
      }),
    )
    .optional(),
});

export type QuotaSpecSpec = z.infer<typeof quotaSpecSpec>;
