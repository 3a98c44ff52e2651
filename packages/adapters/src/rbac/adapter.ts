import { ok } from '@xebec/core';
import { z } from 'zod';
import type { AdapterDefinition } from '../adapter.ts';
import { authorizationRequest } from '../authorization-subject.ts';
import { checkBySchema, milliseconds, parseParams } from '../params.ts';
import { protoObject } from '../proto-object.ts';

const OK = 0;
const PERMISSION_DENIED = 7;
const VALID_USE_COUNT = 1_000_000_000;

const params = protoObject({
  /** Roles come from where Mixer's other configuration comes from; read for compatibility. */
  configStoreUrl: z.string().optional(),
  cacheDuration: milliseconds.default(60_000),
});

/** Lets pass what ServiceRoles and ServiceRoleBindings (`rbac.istio.io/v1alpha1`) grant. */
export const rbac: AdapterDefinition = {
  name: 'rbac',
  templates: ['authorization'],
  check: checkBySchema(params),
  configure(raw, { roles }) {
    const parsed = parseParams(params, raw);
    if (!parsed.ok) return parsed;
    const validity = { validDurationMs: parsed.value.cacheDuration, validUseCount: VALID_USE_COUNT };
    const allowed = { code: OK, message: '', ...validity };
    const denied = { code: PERMISSION_DENIED, message: 'RBAC: permission denied.', ...validity };
    return ok({
      check: (instance) => (roles.decide(authorizationRequest(instance)) === 'denied' ? denied : allowed),
      close: () => undefined,
    });
  },
};
