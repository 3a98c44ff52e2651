import { z } from 'zod';

/** What is read of an AdmissionReview request (admission.k8s.io/v1 and v1beta1). */
const review = z.looseObject({
  apiVersion: z.string(),
  kind: z.literal('AdmissionReview'),
  request: z.looseObject({
    uid: z.string(),
    operation: z.enum(['CREATE', 'UPDATE', 'DELETE', 'CONNECT']),
    namespace: z.string().optional(),
    resource: z.looseObject({ group: z.string(), version: z.string(), resource: z.string() }),
    object: z.unknown().optional(),
    oldObject: z.unknown().optional(),
    userInfo: z.looseObject({ username: z.string().optional() }).optional(),
    dryRun: z.boolean().optional(),
  }),
});

export type AdmissionReview = z.infer<typeof review>;
export type AdmissionRequest = AdmissionReview['request'];

export interface AdmissionAnswer {
  readonly allowed: boolean;
  /** Why not, as `kubectl` shows it. */
  readonly message?: string;
  readonly warnings?: readonly string[];
  /** RFC 6902 operations. */
  readonly patch?: readonly unknown[];
}

/** Undefined when the body is no AdmissionReview. */
export function parseReview(body: string): AdmissionReview | undefined {
  try {
    const parsed = review.safeParse(JSON.parse(body));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

export function renderAnswer(request: AdmissionReview, answer: AdmissionAnswer): string {
  const { allowed, message, patch = [], warnings = [] } = answer;
  return JSON.stringify({
    apiVersion: request.apiVersion,
    kind: 'AdmissionReview',
    response: {
      uid: request.request.uid,
      allowed,
      ...(message === undefined ? {} : { status: { code: 400, reason: 'BadRequest', message } }),
      ...(warnings.length === 0 ? {} : { warnings }),
      ...(patch.length === 0 ? {} : { patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(patch)).toString('base64') }),
    },
  });
}
