import type { Admission } from './engine.ts';
import { admitServiceAccount } from './pod-admission.ts';
import { forbidden } from './status.ts';
import type { ObjectStore } from './store.ts';
import type { WebhookCaller } from './webhooks.ts';

/** Kinds that are stored outside every admission webhook: what the cluster itself needs to come up. */
const PROTECTED_NAMESPACES = new Set(['default', 'kube-system', 'kube-public', 'kube-node-lease']);

/** The admission chain: built-in plugins around the webhooks. */
export function createAdmission(store: ObjectStore, webhooks: WebhookCaller, newSuffix: () => string): Admission {
  return {
    async mutate(request) {
      const isNewPod = request.resource.id === 'pods' && request.operation === 'CREATE';
      let object = request.object;
      if (isNewPod && object !== undefined) object = admitServiceAccount(store, object, newSuffix);
      object = await webhooks.mutate({ ...request, object });
      // Again, for containers that webhooks added.
      if (isNewPod && object !== undefined) object = admitServiceAccount(store, object, newSuffix);
      return object;
    },
    async validate(request) {
      if (request.operation === 'DELETE' && request.resource.id === 'namespaces' && PROTECTED_NAMESPACES.has(request.name)) {
        throw forbidden(request.resource, request.name, 'this namespace may not be deleted');
      }
      await webhooks.validate(request);
    },
  };
}
