import { z } from 'zod';

/** `rbac.istio.io/v1alpha1` of releases up to 1.3, as Mixer's `rbac` adapter reads it. */
const texts = z.array(z.string());

const accessRule = z.strictObject({
  /** Names, `prefix*`, `*suffix` or `*`, as all lists of texts here. */
  services: texts.min(1),
  paths: texts.optional(),
  methods: texts.optional(),
  constraints: z.array(z.strictObject({ key: z.string().min(1), values: texts.min(1) })).optional(),
});

export const serviceRoleSpec = z.strictObject({ rules: z.array(accessRule).min(1) });

const mode = z.enum(['ENFORCED', 'PERMISSIVE']);

const subject = z.strictObject({
  user: z.string().optional(),
  group: z.string().optional(),
  properties: z.record(z.string(), z.string()).optional(),
});

export const serviceRoleBindingSpec = z.strictObject({
  subjects: z.array(subject).min(1),
  roleRef: z.strictObject({ kind: z.literal('ServiceRole'), name: z.string().min(1) }),
  mode: mode.optional(),
});

const target = z.strictObject({ services: texts.optional(), namespaces: texts.optional() });

export const clusterRbacConfigSpec = z.strictObject({
  mode: z.enum(['OFF', 'ON', 'ON_WITH_INCLUSION', 'ON_WITH_EXCLUSION']).optional(),
  inclusion: target.optional(),
  exclusion: target.optional(),
  enforcementMode: mode.optional(),
});

export type ServiceRoleSpec = z.infer<typeof serviceRoleSpec>;
export type ServiceRoleBindingSpec = z.infer<typeof serviceRoleBindingSpec>;
export type ClusterRbacConfigSpec = z.infer<typeof clusterRbacConfigSpec>;
