import { err, ok, type Result } from '@xebec/core';
import { z } from 'zod';
import { type ContentChange, packChanges, unpackChanges } from './content.ts';

export const HISTORY_GROUP = 'config.xebec.dev';
export const HISTORY_VERSION = 'v1alpha1';
export const BUNDLE_PATH = `/apis/${HISTORY_GROUP}/${HISTORY_VERSION}/configbundles`;
export const VERSION_PATH = `/apis/${HISTORY_GROUP}/${HISTORY_VERSION}/configversions`;

/** Who is changed how, in words: what `kubectl get -o yaml` shows of a packed content. */
export const memberSchema = z.object({
  kind: z.string(),
  namespace: z.string().describe('Empty for cluster-scoped objects'),
  name: z.string(),
  change: z.enum(['created', 'updated', 'deleted']),
});
export type Member = z.infer<typeof memberSchema>;

/** Spec of ConfigBundle: what one command is about to write, stored before the first member is. */
export const bundleSpec = z.object({
  client: z.string().describe('Who writes it, such as anna@build7, process 4711'),
  message: z.string().optional().describe('Why, as the user said'),
  timeoutSeconds: z.number().int().min(1).max(3600).describe('After this long without all members the bundle counts as stalled'),
  members: z.array(memberSchema),
  content: z.string().describe('The members before and after: gzipped JSON in base64'),
});

export type BundlePhase = 'Open' | 'Complete' | 'Stalled' | 'Abandoned';

const bundleObject = z.looseObject({
  metadata: z.looseObject({ name: z.string(), creationTimestamp: z.string().nullish() }),
  spec: bundleSpec,
  status: z
    .looseObject({
      phase: z.string().optional(),
      message: z.string().optional(),
      version: z.number().optional(),
      holders: z.record(z.string(), z.boolean()).optional(),
    })
    .nullish(),
});

/** A ConfigBundle, unpacked. */
export interface Bundle {
  readonly id: string;
  readonly client: string;
  readonly message: string;
  readonly timeoutSeconds: number;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly changes: readonly ContentChange[];
  /** Empty until Galley has seen it. */
  readonly phase: BundlePhase | '';
  readonly statusMessage: string;
  /** Number of the version that it became. */
  readonly version: number | undefined;
  /** The Galleys that hold its members back, of several: none stores a member before all do. */
  readonly holders: ReadonlySet<string>;
}

export function memberOf({ before, after }: ContentChange): Member {
  const { kind = '', metadata } = after ?? before ?? {};
  const change = before === undefined ? 'created' : after === undefined ? 'deleted' : 'updated';
  return { kind, namespace: metadata?.namespace ?? '', name: metadata?.name ?? '', change };
}

export function renderBundle(bundle: Pick<Bundle, 'id' | 'client' | 'message' | 'timeoutSeconds' | 'changes'>): {
  apiVersion: string;
  kind: 'ConfigBundle';
  metadata: { name: string };
  spec: z.infer<typeof bundleSpec>;
} {
  const { id, client, message, timeoutSeconds, changes } = bundle;
  return {
    apiVersion: `${HISTORY_GROUP}/${HISTORY_VERSION}`,
    kind: 'ConfigBundle',
    metadata: { name: id },
    spec: {
      client,
      ...(message === '' ? {} : { message }),
      timeoutSeconds,
      members: changes.map(memberOf),
      content: packChanges(changes),
    },
  };
}

export function readBundle(raw: unknown): Result<Bundle, string> {
  const parsed = bundleObject.safeParse(raw);
  if (!parsed.success) return err(z.prettifyError(parsed.error).replaceAll('\n', ' '));
  const { metadata, spec, status } = parsed.data;
  const changes = unpackChanges(spec.content);
  if (!changes.ok) return err(`ConfigBundle ${metadata.name}: spec.content: ${changes.error}`);
  return ok({
    id: metadata.name,
    client: spec.client,
    message: spec.message ?? '',
    timeoutSeconds: spec.timeoutSeconds,
    createdAt: Date.parse(metadata.creationTimestamp ?? '') || 0,
    changes: changes.value,
    phase: isPhase(status?.phase) ? status.phase : '',
    statusMessage: status?.message ?? '',
    version: status?.version,
    holders: new Set(Object.keys(status?.holders ?? {})),
  });
}

function isPhase(text: string | undefined): text is BundlePhase {
  return text === 'Open' || text === 'Complete' || text === 'Stalled' || text === 'Abandoned';
}
