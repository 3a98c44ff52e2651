import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createKubernetesApi, loadKubeConfig } from '@xebec/config';
import { parseAllDocuments } from 'yaml';
import { type BenchObject, object } from './objects.ts';
import { startApiServer } from './processes.ts';

const CRDS = resolve(import.meta.dirname, '../../deploy/crds');
/** Requests at a time. */
const WRITERS = 16;
const PLURALS: Readonly<Record<string, string>> = {
  VirtualService: 'virtualservices',
  DestinationRule: 'destinationrules',
  ServiceEntry: 'serviceentries',
  AuthorizationPolicy: 'authorizationpolicies',
  Sidecar: 'sidecars',
};

function pathOf({ apiVersion, kind, metadata }: BenchObject): string {
  return `/apis/${apiVersion}/namespaces/${metadata.namespace}/${PLURALS[kind] ?? ''}`;
}

/** The embedded API server with the mesh's CRDs and `objects`, whose first one can be changed. */
export async function openApiServerOrigin(folder: string, objects: readonly BenchObject[]) {
  const server = await startApiServer(folder);
  const api = createKubernetesApi(loadKubeConfig(server.kubeconfig, {}));
  const { signal } = new AbortController();
  for (const file of readdirSync(CRDS))
    for (const document of parseAllDocuments(readFileSync(join(CRDS, file), 'utf8'))) {
      const crd: unknown = document.toJS();
      if (crd !== null) await api.send('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', crd, signal);
    }
  for (const name of new Set(objects.map(({ metadata }) => metadata.namespace)))
    await api.send('POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } }, signal);
  const waiting = objects.values();
  await Promise.all(
    Array.from({ length: WRITERS }, async () => {
      for (const one of waiting) await api.send('POST', pathOf(one), one, signal);
    }),
  );
  return {
    flags: ['--kubeconfig', server.kubeconfig],
    change: async (round: number) => {
      const changed = object(0, round);
      const path = `${pathOf(changed)}/${changed.metadata.name}`;
      await api.send('PATCH', path, { spec: changed.spec }, signal, 'application/merge-patch+json');
    },
    close: () => server.stop(),
  };
}
