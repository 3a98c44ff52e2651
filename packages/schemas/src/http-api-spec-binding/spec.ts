import { z } from 'zod';
import { serviceReference, specReference } from '../mixer/service-reference.ts';

/** `config.istio.io/v1alpha2` HTTPAPISpecBinding: which services an HTTPAPISpec is for. */
export const httpApiSpecBindingSpec = z
  .strictObject({
    services: z.array(serviceReference).optional().describe('Services.'),
    apiSpecs: z.array(specReference).optional().describe('HTTPAPISpecs by name.'),
  })
  .describe('Which services an HTTPAPISpec is for.');

export type HttpApiSpecBindingSpec = z.infer<typeof httpApiSpecBindingSpec>;
