import { type DescFile, type DescMessage, type DescMethod, getOption, hasOption } from '@bufbuild/protobuf';
import { err, ok, type Result } from '@xebec/core';
import type { ValueType } from '@xebec/expressions';
import { TemplateVariety, template_name, template_variety } from '@xebec/protos/istio/mixer/adapter/model/v1beta1/extensions';
import type { Variety } from '../adapter.ts';
import type { TemplateDefinition } from '../template.ts';
import { decodeDescriptorSet } from './descriptor-set.ts';
import { outputType } from './value-messages.ts';

/** The field that holds an instance's name, in every template's `InstanceMsg`. */
export const NAME_FIELD = 72_295_727;

/** How adapters outside of Mixer are called for a template. */
export interface TemplateService {
  readonly template: TemplateDefinition;
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly instance: DescMessage;
  /** `Type`: what Mixer inferred of an instance's expressions. */
  readonly inferred: DescMessage | undefined;
  /** What a handler finds out besides its verdict; undefined for templates without outputs. */
  readonly output: DescMessage | undefined;
}

const VARIETIES: Readonly<Record<TemplateVariety, Variety>> = {
  [TemplateVariety.CHECK]: 'CHECK',
  [TemplateVariety.REPORT]: 'REPORT',
  [TemplateVariety.QUOTA]: 'QUOTA',
  [TemplateVariety.ATTRIBUTE_GENERATOR]: 'ATTRIBUTE_GENERATOR',
  [TemplateVariety.CHECK_WITH_OUTPUT]: 'CHECK',
};

/** Reads the descriptor of a `template` object. `name`: what the definition is called. */
export function readTemplate(name: string, descriptor: string): Result<TemplateService, string> {
  const set = decodeDescriptorSet(descriptor);
  if (!set.ok) return set;
  const own = set.value.files.filter((one) => hasOption(one, template_variety));
  const file = own[0];
  if (file === undefined)
    return err(
      'no file of the set has the option (istio.mixer.adapter.model.v1beta1.template_variety), which says what the template is for',
    );
  if (own.length > 1) return err(`several files of the set are templates: ${own.map((one) => one.proto.name).join(', ')}`);
  return serviceOf(name, file);
}

/** The template of a file that has the option `template_variety`. */
export function serviceOf(name: string, file: DescFile): Result<TemplateService, string> {
  const variety = getOption(file, template_variety);
  const message = (last: string) => file.messages.find((one) => one.name === last);
  const instance = message('InstanceMsg');
  const service = file.services.find((one) => one.name.startsWith('Handle'));
  const method = service?.methods[0];
  if (VARIETIES[variety] === undefined) return err(`file ${file.proto.name} is of an unknown template_variety`);
  if (instance === undefined || service === undefined || method === undefined)
    return err(
      `file ${file.proto.name} has no message InstanceMsg or no service Handle…Service: the descriptor is that of the handler service, which "mixgen" or "xebec adapter" writes`,
    );
  if (method.methodKind !== 'unary') return err(`method ${service.typeName}.${method.name} is a stream; Mixer calls unary methods`);
  const kind = VARIETIES[variety];
  const output = outputOf(kind, method);
  const outputs = output === undefined ? undefined : outputTypes(output);
  const template: TemplateDefinition = { name, variety: kind, fields: {}, ...(outputs === undefined ? {} : { outputs }) };
  return ok({
    template,
    path: `/${service.typeName}/${method.name}`,
    instance,
    inferred: message('Type'),
    output,
  });
}

/** The name that the file itself gives its template. */
export function declaredName(file: DescFile): string {
  const given = getOption(file, template_name);
  return given === '' ? (file.proto.package.split('.').at(-1) ?? '') : given;
}

/** Attribute generators answer with their output; checks that have one answer with `{result, output}`. */
function outputOf(variety: Variety, { output }: DescMethod): DescMessage | undefined {
  if (variety === 'ATTRIBUTE_GENERATOR') return output;
  if (variety !== 'CHECK') return undefined;
  const field = output.fields.find((one) => one.name === 'output');
  return field?.fieldKind === 'message' ? field.message : undefined;
}

function outputTypes(output: DescMessage): Readonly<Record<string, ValueType>> {
  return Object.fromEntries(
    output.fields.flatMap((field) => {
      const type = outputType(field);
      return type === undefined ? [] : [[field.name, type] as const];
    }),
  );
}
