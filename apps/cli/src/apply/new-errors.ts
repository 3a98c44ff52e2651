import type { KubeConfig } from '@kubernetes/client-node';
import { analyze, formatMessage, levelOf, type Message, originOf, type RawObject, toRawObject } from '@xebec/analysis';
import { manifestOf } from '@xebec/history';
import { readLive } from '../analyze/live.ts';
import { meshSettings } from '../analyze/run.ts';
import { CommandFailure, EXIT } from '../exit.ts';
import type { PlannedWrite } from './plan.ts';

/** What analysis finds in the mesh with these writes that it does not find without them. */
export async function newErrors(config: KubeConfig, writes: readonly PlannedWrite[], nowMs: number): Promise<readonly Message[]> {
  const live = await readLive(config);
  const touched = new Set(writes.map(({ reference }) => keyOf(reference)));
  const written = writes.flatMap((write) => (write.removes ? [] : (rawOf(write) ?? [])));
  const after = [...live.filter((object) => !touched.has(keyOf(object))), ...written];
  const known = new Set(errorsOf(live, nowMs).map(textOf));
  return errorsOf(after, nowMs).filter((message) => !known.has(textOf(message)));
}

/** Ends the command when there are errors, with all of them. */
export function refuseErrors(errors: readonly Message[]): void {
  if (errors.length === 0) return;
  for (const error of errors) console.error(formatMessage(error));
  const count = errors.length === 1 ? 'an error that is' : `${errors.length} errors that are`;
  throw new CommandFailure(`nothing was stored: analysis finds ${count} new; --force stores it all the same`, EXIT.analyzerFoundIssues);
}

function errorsOf(objects: readonly RawObject[], now: number): readonly Message[] {
  return analyze(objects, { complete: true, now, ...meshSettings(objects, {}) }).filter((message) => levelOf(message) === 'Error');
}

function textOf(message: Message): string {
  return `${message.code} ${originOf(message)} ${message.text}`;
}

function rawOf({ read, after, reference }: PlannedWrite): RawObject | undefined {
  const source = read === undefined ? undefined : { file: read.file, line: read.line, fieldLines: read.fieldLines };
  return toRawObject(after === undefined ? reference : manifestOf(after), reference.metadata.namespace ?? '', source);
}

function keyOf({
  apiVersion,
  kind,
  metadata,
}: {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string | undefined };
}): string {
  return `${apiVersion.includes('/') ? apiVersion.split('/')[0] : ''}/${kind}/${metadata.namespace ?? ''}/${metadata.name}`;
}
