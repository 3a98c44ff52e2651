import { create, type DescFile, toBinary } from '@bufbuild/protobuf';
import {
  DescriptorProtoSchema,
  type FieldDescriptorProto,
  FieldDescriptorProtoSchema,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
} from '@bufbuild/protobuf/wkt';
import { file_istio_mixer_template_metric } from '@xebec/protos/istio/mixer/template/metric';
import { decodeObject } from '@xebec/schemas';
import { describe, expect, it } from 'vitest';
import { checkPolicyObject, policyContext } from '../check-policy.ts';
import { ExtensionReader } from './extensions.ts';

/** What protoc --include_imports writes for a file. */
function descriptorOf(file: DescFile): string {
  const files = new Map<string, DescFile>();
  const visit = (one: DescFile): void => {
    for (const needed of one.dependencies) visit(needed);
    files.set(one.proto.name, one);
  };
  visit(file);
  const set = create(FileDescriptorSetSchema, { file: [...files.values()].map(({ proto }) => proto) });
  return Buffer.from(toBinary(FileDescriptorSetSchema, set)).toString('base64');
}

function field(name: string, number: number, type: Type): FieldDescriptorProto {
  return create(FieldDescriptorProtoSchema, { name, number, type, label: Label.OPTIONAL });
}

/** The descriptor of an adapter's `message Params` with these fields. */
function paramsDescriptor(fields: FieldDescriptorProto[]): string {
  const message = create(DescriptorProtoSchema, { name: 'Params', field: fields });
  const file = create(FileDescriptorProtoSchema, { name: 'config.proto', package: 'mine', syntax: 'proto3', messageType: [message] });
  return Buffer.from(toBinary(FileDescriptorSetSchema, create(FileDescriptorSetSchema, { file: [file] }))).toString('base64');
}

const config = paramsDescriptor([field('prefix', 1, Type.STRING), field('max_size', 2, Type.INT32)]);

function object(kind: string, name: string, spec: unknown) {
  const decoded = decodeObject({ apiVersion: 'config.istio.io/v1alpha2', kind, metadata: { name, namespace: 'istio-system' }, spec });
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.error));
  return decoded.value;
}

const metricTemplate = object('template', 'metric', { descriptor: descriptorOf(file_istio_mixer_template_metric) });
const adapter = object('adapter', 'mine', { templates: ['metric'], config });

function findings(checked: ReturnType<typeof object>, others = [metricTemplate, adapter]) {
  return checkPolicyObject(checked, policyContext(others, new Map()));
}

describe('adapters and templates in configuration', () => {
  it('takes a template object of a built-in template for that template', () => {
    const read = new ExtensionReader().template(metricTemplate);
    expect(read.ok && read.value.template.name).toBe('metric');
    expect(read.ok && read.value.path).toBe('/metric.HandleMetricService/HandleMetric');
  });
  it.each([
    ['is not base64', '%%%'],
    ['is no usable FileDescriptorSet', Buffer.from('garbage!').toString('base64')],
    ['no file of the set has the option', config],
    ['is no FileDescriptorSet that holds files', ''],
  ])('refuses a template whose descriptor %s', (message, descriptor) => {
    const { errors } = findings(object('template', 'x', { descriptor }), []);
    expect(errors).toEqual([{ path: 'spec.descriptor', message: expect.stringContaining(message) }]);
  });
  it('says which import a descriptor lacks', () => {
    const only = create(FileDescriptorSetSchema, { file: [file_istio_mixer_template_metric.proto] });
    const descriptor = Buffer.from(toBinary(FileDescriptorSetSchema, only)).toString('base64');
    const { errors } = findings(object('template', 'x', { descriptor }), []);
    expect(errors[0]?.message).toMatch(/imports \S+, which is not in the set: run protoc with --include_imports/);
  });
  it('checks the params of handlers against the adapter, with the path of each field', () => {
    const handler = (params: unknown) =>
      findings(object('handler', 'h', { adapter: 'mine', params, connection: { address: 'adapter.istio-system:9070' } })).errors;
    expect(handler({ prefix: 'a', max_size: 3 })).toEqual([]);
    expect(handler({ maxSize: '3' })).toEqual([]);
    expect(handler({ prefx: 'a' })).toEqual([
      { path: 'spec.params.prefx', message: 'unknown field "prefx"; did you mean "prefix"?', suggestion: 'prefix' },
    ]);
    expect(handler({ max_size: 'many' })).toEqual([{ path: 'spec.params.max_size', message: expect.stringContaining('int32') }]);
  });
  it('wants to know where the adapter is, and how it is reached', () => {
    const handler = (spec: object) => findings(object('handler', 'h', { adapter: 'mine.istio-system', ...spec })).errors;
    expect(handler({})[0]).toEqual({ path: 'spec.connection', message: expect.stringContaining('spec.connection.address must say where') });
    expect(handler({ connection: { address: 'no port' } })[0]?.path).toBe('spec.connection.address');
    expect(handler({ connection: { address: '[::1]:9070' } })).toEqual([]);
    expect(handler({ connection: { address: 'unix:///run/a.sock' } })).toEqual([]);
    expect(handler({ connection: { address: 'a:1', authentication: {} } })[0]?.message).toBe('exactly one of tls and mutual must be set');
  });
  it('warns of a handler whose adapter is not there, and of an adapter whose template is not there', () => {
    const spec = { adapter: 'mine2', connection: { address: 'a:1' } };
    expect(findings(object('handler', 'h', spec)).warnings[0]?.message).toContain('did you mean "mine"?');
    expect(findings(object('adapter', 'b', { templates: ['nope'] })).warnings[0]?.path).toBe('spec.templates[0]');
  });
  it('sends instances of the same template to adapters inside and outside of Mixer', () => {
    const instance = object('instance', 'size', { compiledTemplate: 'metric', params: { value: 'request.size', dimensions: {} } });
    const handler = object('handler', 'h', { adapter: 'mine', connection: { address: 'a:1' } });
    const rule = object('rule', 'r', { actions: [{ handler: 'h', instances: ['size', 'wrong'] }] });
    const wrong = object('instance', 'wrong', { template: 'listentry', params: { value: '"x"' } });
    expect(findings(rule, [metricTemplate, adapter, instance, handler, wrong]).errors).toEqual([
      { path: 'spec.actions[0].instances[1]', message: 'adapter mine.istio-system takes metric, not listentry' },
    ]);
  });
  it('survives any cut of a descriptor', () => {
    const whole = Buffer.from(descriptorOf(file_istio_mixer_template_metric), 'base64');
    const reader = new ExtensionReader();
    for (let length = 0; length < whole.length; length += 97) {
      const descriptor = whole.subarray(0, length).toString('base64');
      const read = reader.template(object('template', 'cut', { descriptor }));
      expect(read.ok ? '' : read.error[0]?.path).toBe('spec.descriptor');
    }
  });
});
