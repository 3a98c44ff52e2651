import { readFileSync } from 'node:fs';
import { errorText } from '@xebec/core';
import { checkPolicyObject, policyContext } from '@xebec/policy';
import { decodeObject } from '@xebec/schemas';
import { stringify } from 'yaml';
import { CommandFailure, EXIT } from '../exit.ts';
import type { ManifestOptions } from './command.ts';
import { type NewAdapterOptions, writeAdapter } from './new/write-adapter.ts';

export function printNew(name: string, options: NewAdapterOptions): void {
  const { folder, next } = writeAdapter(name, options);
  process.stdout.write(`${folder} is written. Next:\n${next.map((line) => `  ${line}\n`).join('')}`);
}

export function printManifest(name: string, options: ManifestOptions): void {
  process.stdout.write(manifest(name, options));
}

export function printTemplate(name: string, file: string, namespace: string): void {
  process.stdout.write(checked('template', name, namespace, { descriptor: base64(file) }));
}

/** The YAML of an adapter object. */
export function manifest(name: string, { config, namespace, sessionBased, template }: ManifestOptions): string {
  return checked('adapter', name, namespace, {
    ...(sessionBased === true ? { sessionBased } : {}),
    templates: template.split(',').map((one) => one.trim()),
    ...(config === undefined ? {} : { config: base64(config) }),
  });
}

/** What admission would refuse is not printed. */
function checked(kind: string, name: string, namespace: string, spec: object): string {
  const object = { apiVersion: 'config.istio.io/v1alpha2', kind, metadata: { name, namespace }, spec };
  const decoded = decodeObject(object);
  const errors = decoded.ok ? checkPolicyObject(decoded.value, policyContext([], new Map())).errors : decoded.error;
  if (errors.length > 0) throw new CommandFailure(errors.map(({ path, message }) => `${path}: ${message}`).join('\n'), EXIT.usage);
  return stringify(object, { lineWidth: 0 });
}

function base64(file: string): string {
  try {
    return readFileSync(file, 'base64');
  } catch (error) {
    throw new CommandFailure(`cannot read ${file}: ${errorText(error)}`, EXIT.usage);
  }
}
