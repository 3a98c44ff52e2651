import { z } from 'zod';
import { serviceReference, specReference } from '../mixer/service-reference.ts';

/** `config.istio.io/v1alpha2` QuotaSpecBinding: which services a QuotaSpec is for. */
export const quotaSpecBindingSpec = z
  .strictObject({
    services: z.array(serviceReference).optional().describe('Services.'),
    quotaSpecs: z.array(specReference).optional().describe('QuotaSpecs by name.'),
  })
  .describe('Which services a QuotaSpec is for.');

export type QuotaSpecBindingSpec = z.infer<typeof quotaSpecBindingSpec>;
