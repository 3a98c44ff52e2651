import { z } from 'zod';
import { int32, stringMap, workloadSelector } from '../fields.ts';

export const proxyConfigSpec = z.strictObject({
  selector: workloadSelector.optional(),
  concurrency: int32.min(0).optional(),
  environmentVariables: stringMap.optional(),
  image: z.strictObject({ imageType: z.string().optional() }).optional(),
});

export type ProxyConfigSpec = z.infer<typeof proxyConfigSpec>;
