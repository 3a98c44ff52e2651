import { z } from 'zod';
import { duration, targetReference, workloadSelector } from '../fields.ts';

const jwtRule = z.strictObject({
  /** May be left out where `jwksUri` is set; tokens of any issuer are taken then. */
  issuer: z.string().default('').describe('Issuer (claim iss) of the tokens, such as https://accounts.example.com.'),
  audiences: z
    .array(z.string())
    .optional()
    .describe('Audiences (claim aud) one of which tokens must hold; an empty list takes every token.'),
  jwksUri: z.string().optional().describe("URL of the key set; without it and jwks, the issuer's OpenID configuration names it."),
  jwks: z.string().optional().describe('Key set in JSON, in place of jwksUri.'),
  fromHeaders: z
    .array(
      z.strictObject({
        name: z.string().describe('Name of the header.'),
        prefix: z.string().optional().describe('What stands before the token, with the space: "Bearer ".'),
      }),
    )
    .optional()
    .describe('Headers that tokens are read from; default: Authorization with Bearer.'),
  fromParams: z.array(z.string()).optional().describe('Query parameters that tokens are read from; default: access_token.'),
  fromCookies: z.array(z.string()).optional().describe('Cookies that tokens are read from.'),
  outputPayloadToHeader: z.string().optional().describe('Header that carries the verified payload on, in base64url.'),
  forwardOriginalToken: z.boolean().optional().describe('Send the token on to the application.'),
  outputClaimToHeaders: z
    .array(
      z.strictObject({
        header: z.string().describe('Name of the header.'),
        claim: z.string().describe('Name of the claim; a.b is claim b within a.'),
      }),
    )
    .optional()
    .describe('Claims that are sent on as headers.'),
  presence: z
    .enum(['OPTIONAL', 'REQUIRED'])
    .optional()
    .describe('Whether requests must carry a token. REQUIRED has no effect yet: an AuthorizationPolicy asks for requestPrincipals ["*"].'),
  timeout: duration.optional().describe('Time limit for fetching the key set; default 5s.'),
  spaceDelimitedClaims: z
    .array(z.string())
    .optional()
    .describe('Claims, beside scope and permission, that hold lists separated by spaces.'),
});

export const requestAuthenticationSpec = z
  .strictObject({
    selector: workloadSelector
      .optional()
      .describe('Pods that it is for; none: all of the namespace, or of the mesh from the root namespace.'),
    targetRef: targetReference.optional().describe('Gateway or service that it is for, in place of a selector.'),
    targetRefs: z.array(targetReference).optional().describe('Gateways or services that it is for, in place of a selector.'),
    jwtRules: z.array(jwtRule).optional().describe('Tokens that are accepted, by issuer.'),
  })
  .describe('Which JSON Web Tokens requests may carry. Invalid ones are refused; that there is one, an AuthorizationPolicy asks for.');

export type RequestAuthenticationSpec = z.infer<typeof requestAuthenticationSpec>;
export type JwtRule = z.infer<typeof jwtRule>;
