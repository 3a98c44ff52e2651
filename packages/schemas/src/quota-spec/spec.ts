import { z } from 'zod';
import { stringMatch } from '../fields.ts';

/** `config.istio.io/v1alpha2` QuotaSpec: what requests are charged. */
export const quotaSpecSpec = z
  .strictObject({
    rules: z
      .array(
        z.strictObject({
          match: z
            .array(z.strictObject({ clause: z.record(z.string(), stringMatch).optional().describe('Matches by attribute, all of them.') }))
            .optional()
            .describe('Any of these; none: every request.'),
          quotas: z
            .array(
              z.strictObject({
                quota: z.string().optional().describe('Name of the quota: an instance of template quota.'),
                charge: z.int().optional().describe('How much is taken; default 1.'),
              }),
            )
            .optional()
            .describe('Quotas that are charged.'),
        }),
      )
      .optional()
      .describe('Charges, by what requests they are for.'),
  })
  .describe('What requests are charged to which quotas.');

export type QuotaSpecSpec = z.infer<typeof quotaSpecSpec>;
