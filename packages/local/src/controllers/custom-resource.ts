import { objectAt, objectsAt, textAt, timestamp } from '../apiserver/object.ts';
import type { ControllerClient } from './client.ts';
import type { Controller } from './loop.ts';
import { withCondition } from './pods.ts';

const ID = 'customresourcedefinitions.apiextensions.k8s.io';

/** Makes kinds of CRDs known to the server at once, reports them as established, and removes their objects with them. */
export function customResourceController(client: ControllerClient): Controller {
  const { registry } = client.engine;
  return {
    name: 'custom-resource',
    keysOf: ({ type, resource, object }) => {
      if (resource !== ID) return [];
      // Within the commit: the answer to the CRD's creation may be followed by one for an object of its kind.
      if (type !== 'DELETED') registry.setCustom(object);
      return [object.metadata.name];
    },
    initialKeys: () => client.list(ID).map(({ metadata }) => metadata.name),
    reconcile: async (name) => {
      const crd = client.get(ID, '', name);
      if (crd === undefined) {
        for (const object of client.list(name)) {
          if ((object.metadata.finalizers ?? []).length > 0) await client.patch(name, object, { metadata: { finalizers: null } });
          await client.delete(name, object, { propagationPolicy: 'Background' });
        }
        registry.removeCustom(name);
        return undefined;
      }
      const now = timestamp(client.now);
      const accepted = { type: 'NamesAccepted', status: 'True', reason: 'NoConflicts', message: 'no conflicts found' };
      const established = {
        type: 'Established',
        status: 'True',
        reason: 'InitialNamesAccepted',
        message: 'the initial names have been accepted',
      };
      const conditions = withCondition(
        withCondition(objectsAt(crd, 'status', 'conditions'), accepted, now, false),
        established,
        now,
        false,
      );
      const stored = objectsAt(crd, 'spec', 'versions').filter((version) => version['storage'] === true);
      await client.setStatus(ID, crd, {
        conditions,
        acceptedNames: objectAt(crd, 'spec', 'names') ?? {},
        storedVersions: stored.map((version) => textAt(version, 'name')),
      });
      return undefined;
    },
  };
}
