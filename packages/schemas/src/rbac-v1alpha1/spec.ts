import { z } from 'zod';

/** `rbac.istio.io/v1alpha1` of releases up to 1.3, as Mixer's `rbac` adapter reads it. */
const texts = z.array(z.string());

const accessRule = z.strictObject({
  services: texts.min(1).describe('Services: names, prefix*, *suffix or *, as in all lists here.'),
  paths: texts.optional().describe('Paths; none: all.'),
  methods: texts.optional().describe('Methods; none: all.'),
  constraints: z
    .array(
      z.strictObject({
        key: z.string().min(1).describe('Property of the action.'),
        values: texts.min(1).describe('Values one of which it must have.'),
      }),
    )
    .optional()
    .describe('Further conditions, all of them.'),
});

export const serviceRoleSpec = z
  .strictObject({ rules: z.array(accessRule).min(1).describe('Permissions, any of them.') })
  .describe("What may be done: a set of permissions, for Mixer's adapter rbac.");

const mode = z.enum(['ENFORCED', 'PERMISSIVE']);

const subject = z.strictObject({
  user: z.string().optional().describe('Identity of the user or service.'),
  group: z.string().optional().describe('Group of the user.'),
  properties: z.record(z.string(), z.string()).optional().describe('Properties of the caller, all of them.'),
});

export const serviceRoleBindingSpec = z
  .strictObject({
    subjects: z.array(subject).min(1).describe('Callers, any of them.'),
    roleRef: z
      .strictObject({
        kind: z.literal('ServiceRole').describe('Always ServiceRole.'),
        name: z.string().min(1).describe('Name of the ServiceRole, in this namespace.'),
      })
      .describe('The role.'),
    mode: mode.optional().describe('ENFORCED (the default), or PERMISSIVE, which refuses nothing.'),
  })
  .describe('Who has a role.');

const target = z.strictObject({ services: texts.optional().describe('Services.'), namespaces: texts.optional().describe('Namespaces.') });

export const clusterRbacConfigSpec = z
  .strictObject({
    mode: z
      .enum(['OFF', 'ON', 'ON_WITH_INCLUSION', 'ON_WITH_EXCLUSION'])
      .optional()
      .describe('OFF, ON for all, ON_WITH_INCLUSION or ON_WITH_EXCLUSION.'),
    inclusion: target.optional().describe('Where it is on, for ON_WITH_INCLUSION.'),
    exclusion: target.optional().describe('Where it is off, for ON_WITH_EXCLUSION.'),
    enforcementMode: mode.optional().describe('ENFORCED (the default), or PERMISSIVE, which refuses nothing.'),
  })
  .describe('Where access is controlled by roles.');

export type ServiceRoleSpec = z.infer<typeof serviceRoleSpec>;
export type ServiceRoleBindingSpec = z.infer<typeof serviceRoleBindingSpec>;
export type ClusterRbacConfigSpec = z.infer<typeof clusterRbacConfigSpec>;
