import { z } from 'zod';
import { duration, targetReference, workloadSelector } from '../fields.ts';

const jwtRule = z.strictObject({
  /** May be left out where `jwksUri` is set; tokens of any issuer are taken then. */
  issuer: z.string().default(''),
  audiences: z.array(z.string()).optional(),
  jwksUri: z.string().optional(),
  jwks: z.string().optional(),
  fromHeaders: z.array(z.strictObject({ name: z.string(), prefix: z.string().optional() })).optional(),
  fromParams: z.array(z.string()).optional(),
  fromCookies: z.array(z.string()).optional(),
  outputPayloadToHeader: z.string().optional(),
  forwardOriginalToken: z.boolean().optional(),
  outputClaimToHeaders: z.array(z.strictObject({ header: z.string(), claim: z.string() })).optional(),
  timeout: duration.optional(),
  spaceDelimitedClaims: z.array(z.string()).optional(),
});

export const requestAuthenticationSpec = z.strictObject({
  selector: workloadSelector.optional(),
  targetRef: targetReference.optional(),
  targetRefs: z.array(targetReference).optional(),
  jwtRules: z.array(jwtRule).optional(),
});

export type RequestAuthenticationSpec = z.infer<typeof requestAuthenticationSpec>;
export type JwtRule = z.infer<typeof jwtRule>;
