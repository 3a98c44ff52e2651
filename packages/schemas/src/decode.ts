import { isIP } from 'node:net';
import { err, nearest, ok, type Result, type Violation } from '@xebec/core';
import { z } from 'zod';
import { findKind, kinds } from './kinds.ts';
import type { AllocatedAddress, ConfigObject, ObjectMeta, SourceReference } from './object.ts';
import { plainProtoJson } from './proto-json.ts';
import { child, toViolations, unwrap } from './violations.ts';

const strings = z.record(z.string(), z.string()).nullish();
const envelope = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({
    name: z.string().optional(),
    /** The API server makes the name after admission. */
    generateName: z.string().optional(),
    namespace: z.string().nullish(),
    labels: strings,
    annotations: strings,
    creationTimestamp: z.string().nullish(),
    resourceVersion: z.string().optional(),
    uid: z.string().optional(),
    generation: z.number().optional(),
  }),
  spec: z.unknown().optional(),
  status: z.unknown().optional(),
});

const conditions = z.looseObject({ conditions: z.array(z.looseObject({ type: z.string(), status: z.string() })) });

/** What the condition `Healthy` says; undefined where there is none. */
function healthOf(status: unknown): boolean | undefined {
  const parsed = conditions.safeParse(status);
  const condition = parsed.success ? parsed.data.conditions.find(({ type }) => type === 'Healthy') : undefined;
  return condition === undefined ? undefined : condition.status === 'True';
}

const addresses = z.looseObject({ addresses: z.array(z.looseObject({ value: z.string(), host: z.string() })) });

/** What `status.addresses` gives to hosts; undefined where there is nothing. */
function allocatedOf(status: unknown): readonly AllocatedAddress[] | undefined {
  const parsed = addresses.safeParse(status);
  if (!parsed.success || parsed.data.addresses.length === 0) return undefined;
  return parsed.data.addresses.filter(({ value }) => isIP(value) !== 0).map(({ value, host }) => ({ value, host }));
}

const ENVELOPE_FIELDS = ['apiVersion', 'kind', 'metadata', 'spec', 'status'];

/** Whether an API group is one whose kinds the mesh owns: an unknown kind there is a mistake, elsewhere it is someone else's. */
export function isMeshGroup(apiVersion: string): boolean {
  const group = apiVersion.split('/')[0];
  return kinds.some((kind) => kind.group === group);
}

/**
 * Decodes one object of the mesh's kinds, with every violation and its field path.
 * `defaultNamespace` goes where the object names none.
 */
export function decodeObject(input: unknown, options: { defaultNamespace?: string; source?: SourceReference } = {}): Result<ConfigObject> {
  const outer = envelope.safeParse(input, { reportInput: true });
  if (!outer.success) return err(toViolations(outer.error, [], envelope));
  const { apiVersion, kind } = outer.data;
  const definition = findKind(apiVersion, kind);
  if (definition === undefined) return err([unknownKind(apiVersion, kind)]);
  const violations: Violation[] = Object.keys(outer.data)
    .filter((key) => !ENVELOPE_FIELDS.includes(key))
    .map((key) => {
      const suggestion = nearest(key, ENVELOPE_FIELDS);
      const place = child(unwrap(definition.spec), key) === undefined ? '' : '; it belongs below "spec": indent it further';
      return { path: key, message: `unknown field "${key}"${suggestion === undefined ? place : `; did you mean "${suggestion}"?`}` };
    });
  const { generateName = '', name = '' } = outer.data.metadata;
  if (name === '' && generateName === '') violations.push({ path: 'metadata.name', message: 'required field is missing' });
  const spec = definition.spec.safeParse(plainProtoJson(definition.spec, outer.data.spec ?? {}), { reportInput: true });
  if (!spec.success) violations.push(...toViolations(spec.error, ['spec'], definition.spec));
  if (violations.length > 0 || !spec.success) return err(violations);
  const healthy = kind === 'WorkloadEntry' ? healthOf(outer.data.status) : undefined;
  const allocated = kind === 'ServiceEntry' ? allocatedOf(outer.data.status) : undefined;
  return ok({
    apiVersion,
    kind,
    metadata: toMeta(outer.data.metadata, options.defaultNamespace ?? ''),
    spec: spec.data,
    ...(options.source === undefined ? {} : { source: options.source }),
    ...(healthy === undefined ? {} : { healthy }),
    ...(allocated === undefined ? {} : { allocated }),
  });
}

function toMeta(metadata: z.infer<typeof envelope>['metadata'], defaultNamespace: string): ObjectMeta {
  return {
    name: metadata.name ?? '',
    namespace: metadata.namespace ?? defaultNamespace,
    labels: metadata.labels ?? {},
    annotations: metadata.annotations ?? {},
    creationTimestamp: metadata.creationTimestamp ?? '',
    resourceVersion: metadata.resourceVersion ?? '',
    uid: metadata.uid ?? '',
    generation: metadata.generation ?? 0,
  };
}

function unknownKind(apiVersion: string, kind: string): Violation {
  const sameKind = kinds.find((definition) => definition.kind === kind);
  if (sameKind !== undefined) {
    const versions = sameKind.versions.map((version) => `${sameKind.group}/${version}`);
    return { path: 'apiVersion', message: `kind ${kind} does not exist in "${apiVersion}"; use one of ${versions.join(', ')}` };
  }
  const suggestion = nearest(
    kind,
    kinds.map((definition) => definition.kind),
  );
  return {
    path: 'kind',
    message: `unknown kind "${kind}" in "${apiVersion}"${suggestion === undefined ? '' : `; did you mean "${suggestion}"?`}`,
    ...(suggestion === undefined ? {} : { suggestion }),
  };
}
