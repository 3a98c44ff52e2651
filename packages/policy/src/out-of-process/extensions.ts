import { createHash } from 'node:crypto';
import type { DescMessage } from '@bufbuild/protobuf';
import { err, nearest, ok, type Result, type Violation } from '@xebec/core';
import type { AdapterSpec, ConfigObject, TemplateSpec } from '@xebec/schemas';
import type { AdapterSignature } from '../adapter.ts';
import { type AdapterParams, readAdapterParams } from './adapter-params.ts';
import { builtInServices } from './built-in-services.ts';
import { readTemplate, type TemplateService } from './template-service.ts';
import { valueMessageType } from './value-messages.ts';

/** An adapter that runs outside of Mixer, from its `adapter` object. */
export interface RemoteAdapter extends AdapterSignature {
  readonly sessionBased: boolean;
  readonly params: AdapterParams;
  /** By the names in `templates`. */
  readonly services: ReadonlyMap<string, TemplateService>;
  /** Changes when the adapter object or one of its templates does. */
  readonly revision: string;
}

/** Adapters and templates that configuration adds to those that Mixer was built with, by `name.namespace`. */
export interface Extensions {
  readonly adapters: ReadonlyMap<string, RemoteAdapter>;
  readonly templates: ReadonlyMap<string, TemplateService>;
}

export const noExtensions: Extensions = { adapters: new Map(), templates: new Map() };

/** `name`, `name.namespace` or `name.kind.namespace`, looked up as what stands in `namespace` names it. */
export function findExtension<T>(known: ReadonlyMap<string, T>, reference: string, namespace: string): T | undefined {
  const parts = reference.split('.');
  const full = parts.length === 3 ? `${parts[0]}.${parts[2]}` : reference;
  return known.get(full) ?? known.get(`${parts[0]}.${namespace}`) ?? known.get(`${reference}.istio-system`);
}

/** Descriptors are large and change seldom: objects that were read once are not read again. */
export class ExtensionReader {
  readonly #templates = new Map<string, { readonly spec: string; readonly result: Result<TemplateService, string> }>();
  readonly #params = new Map<string, { readonly spec: string; readonly result: Result<AdapterParams, string> }>();

  template(object: ConfigObject): Result<TemplateService> {
    const { descriptor } = object.spec as TemplateSpec; // decoded by its kind
    const name = nameOf(object);
    let known = this.#templates.get(name);
    if (known?.spec !== descriptor) {
      known = { spec: descriptor, result: asBuiltIn(readTemplate(name, descriptor)) };
      this.#templates.set(name, known);
    }
    return known.result.ok ? known.result : err([{ path: 'spec.descriptor', message: known.result.error }]);
  }
  /** `missing` hears of templates that are not there. */
  adapter(
    object: ConfigObject,
    templates: ReadonlyMap<string, TemplateService>,
    missing?: (violation: Violation) => void,
  ): Result<RemoteAdapter> {
    const { config = '', sessionBased = false, templates: wanted = [] } = object.spec as AdapterSpec; // decoded by its kind
    const name = nameOf(object);
    const violations: Violation[] = [];
    let known = this.#params.get(name);
    if (known?.spec !== config) {
      known = { spec: config, result: readAdapterParams(config) };
      this.#params.set(name, known);
    }
    if (!known.result.ok) violations.push({ path: 'spec.config', message: known.result.error });
    if (wanted.length === 0) missing?.({ path: 'spec.templates', message: 'names no template, so Mixer will never call the adapter' });
    const services = new Map<string, TemplateService>();
    for (const [i, reference] of wanted.entries()) {
      const service = findExtension(templates, reference, object.metadata.namespace) ?? builtInServices.get(reference.split('.')[0] ?? '');
      if (service !== undefined) services.set(service.template.name, service);
      else (missing ?? ((violation) => void violations.push(violation)))(unknownTemplate(`spec.templates[${i}]`, reference, templates));
    }
    if (violations.length > 0 || !known.result.ok) return err(violations);
    const params = known.result.value;
    const check = (value: unknown): readonly Violation[] => {
      const encoded = params.encode(value);
      return encoded.ok ? [] : encoded.error;
    };
    const revision = createHash('sha256')
      .update(JSON.stringify([object.spec, wanted.map((reference) => this.#descriptorOf(reference, object.metadata.namespace))]))
      .digest('hex');
    return ok({ name, templates: [...services.keys()], check, sessionBased, params, services, revision });
  }
  #descriptorOf(reference: string, namespace: string): string {
    return findExtension(this.#templates, reference, namespace)?.spec ?? '';
  }
}

function unknownTemplate(path: string, reference: string, templates: ReadonlyMap<string, TemplateService>): Violation {
  const suggestion = nearest(reference, [...templates.keys(), ...builtInServices.keys()]);
  const hint = suggestion === undefined ? '' : `; did you mean "${suggestion}"?`;
  return { path, message: `there is no template "${reference}"${hint}`, ...(suggestion === undefined ? {} : { suggestion }) };
}

/**
 * Release 1.4 installed `template` objects for the templates that Mixer was built with too: those that say the same are the same, so that
 * their instances go to adapters inside and outside of Mixer.
 */
function asBuiltIn(read: Result<TemplateService, string>): Result<TemplateService, string> {
  if (!read.ok) return read;
  for (const service of builtInServices.values()) {
    if (service.path === read.value.path && holds(service.instance, read.value.instance))
      return ok({ ...read.value, template: service.template });
  }
  return read;
}

function holds(builtIn: DescMessage, other: DescMessage): boolean {
  return other.fields.every((field) => {
    const own = builtIn.fields.find(({ number }) => number === field.number);
    if (own?.name !== field.name || own.fieldKind !== field.fieldKind) return false;
    const [mine, its] = [own.message, field.message];
    if (mine === undefined || its === undefined || valueMessageType(its) !== undefined) return mine?.typeName === its?.typeName;
    return holds(mine, its);
  });
}

const nameOf = ({ metadata }: ConfigObject): string => `${metadata.name}.${metadata.namespace}`;
