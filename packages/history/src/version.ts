import { err, ok, type Result } from '@xebec/core';
import { z } from 'zod';
import { HISTORY_GROUP, HISTORY_VERSION, memberOf, memberSchema } from './bundle.ts';
import { type ContentChange, packChanges, unpackChanges } from './content.ts';

/** Spec of ConfigVersion: one accepted change of the configuration. */
export const versionSpec = z.object({
  number: z.number().int().min(1),
  time: z.string().describe('When it took effect, RFC 3339'),
  author: z.string().describe('User of the API server who wrote it; empty when unknown'),
  cause: z.enum(['bundle', 'change', 'found']).describe('One command, a single write, or found at the start of Galley'),
  bundle: z.string().optional().describe('Name of the ConfigBundle'),
  message: z.string().optional(),
  changes: z.number().int().describe('How many objects'),
  members: z.array(memberSchema),
  content: z.string().describe('The members before and after: gzipped JSON in base64'),
});

/** One version of the configuration: what changed, when, and by whom. */
export interface ConfigVersion {
  /** From 1, without gaps. */
  readonly number: number;
  /** RFC 3339. */
  readonly time: string;
  /** Empty when unknown. */
  readonly author: string;
  /** `found`: seen at the start, made while no Galley looked. */
  readonly cause: 'bundle' | 'change' | 'found';
  /** Empty unless the cause is a bundle. */
  readonly bundle: string;
  readonly message: string;
  readonly changes: readonly ContentChange[];
}

const versionObject = z.looseObject({ metadata: z.looseObject({ name: z.string() }), spec: versionSpec });

/** Names sort as the numbers do. */
export function versionName(number: number): string {
  return `v${String(number).padStart(6, '0')}`;
}

export function renderVersion(version: ConfigVersion): {
  apiVersion: string;
  kind: 'ConfigVersion';
  metadata: { name: string };
  spec: z.infer<typeof versionSpec>;
} {
  const { number, time, author, cause, bundle, message, changes } = version;
  return {
    apiVersion: `${HISTORY_GROUP}/${HISTORY_VERSION}`,
    kind: 'ConfigVersion',
    metadata: { name: versionName(number) },
    spec: {
      number,
      time,
      author,
      cause,
      ...(bundle === '' ? {} : { bundle }),
      ...(message === '' ? {} : { message }),
      changes: changes.length,
      members: changes.map(memberOf),
      content: packChanges(changes),
    },
  };
}

export function readVersion(raw: unknown): Result<ConfigVersion, string> {
  const parsed = versionObject.safeParse(raw);
  if (!parsed.success) return err(z.prettifyError(parsed.error).replaceAll('\n', ' '));
  const { metadata, spec } = parsed.data;
  const changes = unpackChanges(spec.content);
  if (!changes.ok) return err(`ConfigVersion ${metadata.name}: spec.content: ${changes.error}`);
  const { number, time, author, cause, bundle = '', message = '' } = spec;
  return ok({ number, time, author, cause, bundle, message, changes: changes.value });
}
