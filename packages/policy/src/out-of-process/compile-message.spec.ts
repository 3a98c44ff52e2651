import { create, fromBinary, type JsonValue, type MessageInitShape, setExtension, toBinary, toJson } from '@bufbuild/protobuf';
import {
  type DescriptorProto,
  DescriptorProtoSchema,
  EnumDescriptorProtoSchema,
  type FieldDescriptorProto,
  FieldDescriptorProtoSchema,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  FileOptionsSchema,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
} from '@bufbuild/protobuf/wkt';
import type { AttributeBag } from '@xebec/expressions';
import { standardVocabulary } from '@xebec/expressions';
import { TemplateVariety, template_name, template_variety } from '@xebec/protos/istio/mixer/adapter/model/v1beta1/extensions';
import { file_istio_mixer_template_metric } from '@xebec/protos/istio/mixer/template/metric';
import { decodeObject } from '@xebec/schemas';
import { describe, expect, it } from 'vitest';
import { compileInstance } from '../compile-instance.ts';
import { builtInServices } from './built-in-services.ts';
import { ExtensionReader, noExtensions } from './extensions.ts';
import { encodeInferredTypes } from './inferred-types.ts';
import { InstanceEncoder } from './instance-encoder.ts';
import { NAME_FIELD } from './template-service.ts';

const policy = (name: string): string => `.istio.policy.v1beta1.${name}`;

/** `type`: a scalar, or the full name of a message or (ending in `Color`) an enumeration. */
function field(
  name: string,
  number: number,
  type: Type | string,
  more: MessageInitShape<typeof FieldDescriptorProtoSchema> = {},
): FieldDescriptorProto {
  const named = typeof type === 'string' ? { type: type.endsWith('Color') ? Type.ENUM : Type.MESSAGE, typeName: type } : { type };
  return create(FieldDescriptorProtoSchema, { name, number, label: Label.OPTIONAL, ...named, ...more });
}
const list = (name: string, number: number, type: Type | string) => field(name, number, type, { label: Label.REPEATED });

/** A field of type map, and the message of its entries. */
function mapOf(name: string, number: number, key: Type, value: Type | string): readonly [FieldDescriptorProto, DescriptorProto] {
  const entry = `${name[0]?.toUpperCase()}${name.slice(1)}Entry`;
  return [
    list(name, number, `.rich.InstanceMsg.${entry}`),
    create(DescriptorProtoSchema, { name: entry, field: [field('key', 1, key), field('value', 2, value)], options: { mapEntry: true } }),
  ];
}

const maps = [
  mapOf('labels', 30, Type.STRING, Type.STRING),
  mapOf('counts', 31, Type.INT64, Type.DOUBLE),
  mapOf('inners_by_name', 32, Type.STRING, '.rich.Inner'),
  mapOf('colors_by_name', 33, Type.STRING, '.rich.Color'),
  mapOf('facts', 34, Type.STRING, policy('Value')),
  mapOf('flags', 35, Type.BOOL, Type.STRING),
];

const instance = create(DescriptorProtoSchema, {
  name: 'InstanceMsg',
  field: [
    field('text', 1, Type.STRING),
    field('int64', 2, Type.INT64),
    field('uint32', 3, Type.UINT32),
    field('sint64', 4, Type.SINT64),
    field('sfixed32', 5, Type.SFIXED32),
    field('fixed64', 6, Type.FIXED64),
    field('double', 7, Type.DOUBLE),
    field('float', 8, Type.FLOAT),
    field('yes', 9, Type.BOOL),
    field('raw', 10, Type.BYTES),
    field('color', 11, '.rich.Color'),
    field('inner', 12, '.rich.Inner'),
    list('texts', 13, Type.STRING),
    list('numbers', 14, Type.INT64),
    list('doubles', 15, Type.DOUBLE),
    list('colors', 16, '.rich.Color'),
    list('inners', 17, '.rich.Inner'),
    field('unpacked', 18, Type.INT64, {
      label: Label.REPEATED,
      options: { packed: false },
    }),
    list('values', 19, policy('Value')),
    field('left', 20, Type.STRING, { oneofIndex: 0 }),
    field('right', 21, Type.INT64, { oneofIndex: 0 }),
    ...maps.map(([one]) => one),
    field('value', 40, policy('Value')),
    field('address', 41, policy('IPAddress')),
    field('at', 42, policy('TimeStamp')),
    field('took', 43, policy('Duration')),
    field('host', 44, policy('DNSName')),
    field('mail', 45, policy('EmailAddress')),
    field('uri', 46, policy('Uri')),
    field('string_map', 47, policy('StringMap')),
    field('plain', 48, '.google.protobuf.Duration'),
    field('name', NAME_FIELD, Type.STRING),
  ],
  nestedType: maps.map(([, entry]) => entry),
  oneofDecl: [{ name: 'either' }],
});
const inner = create(DescriptorProtoSchema, {
  name: 'Inner',
  field: [field('text', 1, Type.STRING), field('next', 2, '.rich.Inner'), field('a_value', 3, policy('Value'))],
});

const options = create(FileOptionsSchema);
setExtension(options, template_variety, TemplateVariety.CHECK);
setExtension(options, template_name, 'rich');
const imports = new Map(
  [...file_istio_mixer_template_metric.dependencies].flatMap(function all(one): [string, typeof one.proto][] {
    return [...one.dependencies.flatMap(all), [one.proto.name, one.proto]];
  }),
);
const file = create(FileDescriptorProtoSchema, {
  name: 'rich.proto',
  package: 'rich',
  syntax: 'proto3',
  dependency: [...imports.keys()],
  options,
  messageType: [
    instance,
    inner,
    create(DescriptorProtoSchema, {
      name: 'Request',
      field: [field('instance', 1, '.rich.InstanceMsg'), field('dedup_id', 3, Type.STRING)],
    }),
  ],
  enumType: [
    create(EnumDescriptorProtoSchema, {
      name: 'Color',
      value: [
        { name: 'NONE', number: 0 },
        { name: 'RED', number: 1 },
        { name: 'BLUE', number: 2 },
      ],
    }),
  ],
  service: [{ name: 'HandleRichService', method: [{ name: 'HandleRich', inputType: '.rich.Request', outputType: '.rich.Request' }] }],
});
const set = create(FileDescriptorSetSchema, { file: [...imports.values(), file] });
const descriptor = Buffer.from(toBinary(FileDescriptorSetSchema, set)).toString('base64');
const object = decodeObject({
  apiVersion: 'config.istio.io/v1alpha2',
  kind: 'template',
  metadata: { name: 'rich', namespace: 'ns' },
  spec: { descriptor },
});
if (!object.ok) throw new Error(JSON.stringify(object.error));
const read = new ExtensionReader().template(object.value);
if (!read.ok) throw new Error(JSON.stringify(read.error));
const service = read.value;
const extensions = { ...noExtensions, templates: new Map([['rich.ns', service]]) };

const compiled = (params: Record<string, unknown>) =>
  compileInstance('one.ns', { template: 'rich', params }, standardVocabulary, { extensions });

const bag: AttributeBag = new Map([
  ['source.user', { form: 'string', value: 'ann' }],
  ['request.size', { form: 'int64', value: 7n }],
  ['source.labels', { form: 'stringMap', value: new Map([['app', 'web']]) }],
  ['request.method', { form: 'string', value: 'BLUE' }],
]);

function built(params: Record<string, unknown>) {
  const one = compiled(params);
  if (!one.ok) throw new Error(JSON.stringify(one.error));
  return one.value.build(bag);
}

/** The instance as an adapter reads it, without its name. */
function seen(params: Record<string, unknown>): JsonValue {
  const value = built(params);
  if (!value.ok) throw new Error(value.error);
  const bytes = new InstanceEncoder(service.instance).encode('one.instance.ns', value.value);
  const json = toJson(service.instance, fromBinary(service.instance, bytes), { useProtoFieldName: true });
  const { name, ...rest } = json as Record<string, JsonValue>; // messages are objects in JSON
  expect(name).toBe('one.instance.ns');
  return rest;
}

describe('instances of templates outside of Mixer', () => {
  it.each<[string, Record<string, unknown>, JsonValue]>([
    ['an expression', { text: 'source.user | "none"' }, { text: 'ann' }],
    ['quoted text', { text: '"GET"', left: '\'a "b"\'' }, { text: 'GET', left: 'a "b"' }],
    [
      'whole numbers',
      { int64: 5, uint32: '"0x10"', sint64: -3, sfixed32: '"-012"', fixed64: 9 },
      { int64: '5', uint32: 16, sint64: '-3', sfixed32: -10, fixed64: '9' },
    ],
    [
      'numbers by expression',
      { int64: 'request.size', double: '2.5', float: 'request.size > 5 ? 0.5 : 1.5' },
      { int64: '7', double: 2.5, float: 0.5 },
    ],
    ['numbers', { double: 3, float: 1.5 }, { double: 3, float: 1.5 }],
    ['booleans', { yes: true }, { yes: true }],
    ['booleans by expression', { yes: 'request.size == 7' }, { yes: true }],
    ['an enumerator by its quoted name', { color: '"RED"' }, { color: 'RED' }],
    ['an enumerator by its number', { color: 2 }, { color: 'BLUE' }],
    ['an enumerator by an expression', { color: 'request.method' }, { color: 'BLUE' }],
    [
      'messages in messages',
      { inner: { text: 'source.user', next: { next: { aValue: 'request.size' } } } },
      { inner: { text: 'ann', next: { next: { a_value: { int64_value: '7' } } } } },
    ],
    ['an empty message', { inner: {} }, { inner: {} }],
    ['lists of text', { texts: ['source.user', '"b"'] }, { texts: ['ann', 'b'] }],
    ['lists of numbers', { numbers: [1, 'request.size', '"0x3"'], doubles: [1, 2.5] }, { numbers: ['1', '7', '3'], doubles: [1, 2.5] }],
    ['a number where a list may stand', { numbers: 'request.size' }, { numbers: ['7'] }],
    ['lists of enumerators', { colors: ['"RED"', 2, 'request.method'] }, { colors: ['RED', 'BLUE', 'BLUE'] }],
    ['lists of messages', { inners: [{ text: '"a"' }, { text: 'source.user' }] }, { inners: [{ text: 'a' }, { text: 'ann' }] }],
    ['lists of values', { values: ['source.user', 5] }, { values: [{ string_value: 'ann' }, { double_value: 5 }] }],
    ['maps', { labels: { a: 'source.user' }, counts: { '-5': 1.5 } }, { labels: { a: 'ann' }, counts: { '-5': 1.5 } }],
    ['a map by one expression', { labels: 'source.labels' }, { labels: { app: 'web' } }],
    ['maps of messages', { innersByName: { x: { text: 'source.user' } } }, { inners_by_name: { x: { text: 'ann' } } }],
    ['maps of enumerators', { colors_by_name: { x: '"RED"' } }, { colors_by_name: { x: 'RED' } }],
    [
      'maps of values',
      { facts: { a: true, b: '"1.5"', c: 'ip("10.0.0.1")' } },
      { facts: { a: { bool_value: true }, b: { string_value: '1.5' }, c: { ip_address_value: { value: 'CgAAAQ==' } } } },
    ],
    ['values', { value: 'timestamp("2026-01-02T03:04:05Z")' }, { value: { timestamp_value: { value: '2026-01-02T03:04:05Z' } } }],
    [
      'messages of one value',
      {
        address: 'ip("::1")',
        at: 'timestamp("1969-12-31T23:59:59.5Z")',
        took: 'response.duration | "-1.5s"',
        host: 'dnsName("a.b")',
        mail: 'email("a@b.c")',
        uri: 'uri("http://a/b")',
        string_map: 'source.labels',
      },
      {
        address: { value: 'AAAAAAAAAAAAAAAAAAAAAQ==' },
        at: { value: '1969-12-31T23:59:59.500Z' },
        took: { value: '-1.500s' },
        host: { value: 'a.b' },
        mail: { value: 'a@b.c' },
        uri: { value: 'http://a/b' },
        string_map: { value: { app: 'web' } },
      },
    ],
    [
      'constants of messages of one value',
      {
        address: '"10.0.0.1"',
        at: '"2026-01-02T03:04:05Z"',
        took: '"1h30m"',
        host: '"a.b"',
        uri: "'/x'",
        string_map: { value: { a: '"b"' } },
      },
      {
        address: { value: 'CgAAAQ==' },
        at: { value: '2026-01-02T03:04:05Z' },
        took: { value: '5400s' },
        host: { value: 'a.b' },
        uri: { value: '/x' },
        string_map: { value: { a: 'b' } },
      },
    ],
    ['durations of protobuf by their fields', { plain: { seconds: 'request.size', nanos: 5 } }, { plain: '7.000000005s' }],
    ['of a oneof the field with the highest number', { right: 'request.size', left: 'source.user' }, { right: '7' }],
    ['the name that Mixer gives', { name: '"mine"' }, {}],
  ])('carry %s', (_, params, json) => {
    expect(seen(params)).toEqual(json);
  });

  it.each<[string, Record<string, unknown>, string, string]>([
    ['unknown fields', { inner: { txt: '"a"' } }, 'spec.params.inner.txt', 'message rich.Inner has no field "txt"; did you mean "text"?'],
    ['bytes', { raw: '"a"' }, 'spec.params.raw', 'is of type bytes'],
    ['lists declared unpacked', { unpacked: [1] }, 'spec.params.unpacked', '[packed = false]'],
    ['expressions of another type', { text: 'request.size' }, 'spec.params.text', 'is of type INT64, but STRING is expected'],
    ['integers for doubles', { double: 'request.size' }, 'spec.params.double', 'DOUBLE is expected'],
    ['words that are no attribute', { color: 'RED' }, 'spec.params.color', 'unknown attribute "RED"'],
    ['enumerators that do not exist', { color: '"RDE"' }, 'spec.params.color', 'has no "RDE"; did you mean "RED"?'],
    ['numbers of no enumerator', { color: 7 }, 'spec.params.color', 'has no 7; it is one of NONE, RED, BLUE'],
    ['enumerators of type BOOL', { color: 'request.size == 1' }, 'spec.params.color', 'an enumerator is INT64 or STRING'],
    ['numbers for text', { text: 5 }, 'spec.params.text', 'is 5, not text'],
    ['quoted booleans', { yes: '"true"' }, 'spec.params.yes', 'not true or false'],
    ['fractions', { int64: 1.5 }, 'spec.params.int64', 'not a whole number'],
    ['integers beyond 64 bits', { int64: '"9223372036854775808"' }, 'spec.params.int64', 'not a whole number of 64 bits'],
    ['nothing', { text: null }, 'spec.params.text', 'is null, not text'],
    ['text for a list of text', { texts: '"a"' }, 'spec.params.texts', 'must be a list'],
    ['wrong entries of lists', { numbers: [1, true] }, 'spec.params.numbers[1]', 'is true, not a whole number'],
    ['a list for a message', { inner: [] }, 'spec.params.inner', 'must be an object with the fields of rich.Inner'],
    ['an expression for a message', { inner: 'source.ip' }, 'spec.params.inner', 'must be an object'],
    ['wrong entries of lists of messages', { inners: [{}, 5] }, 'spec.params.inners[1]', 'must be an object'],
    ['a list for a map', { labels: ['a'] }, 'spec.params.labels', 'must be a map'],
    ['an expression for a map of messages', { inners_by_name: 'source.labels' }, 'spec.params.inners_by_name', 'must be a map'],
    ['map keys that are no numbers', { counts: { a: 1 } }, 'spec.params.counts.a', 'is "a", not a whole number'],
    ['map keys of type bool', { flags: { true: '"x"' } }, 'spec.params.flags.true', 'is "true", not true or false'],
    ['objects for values', { value: { string_value: '"a"' } }, 'spec.params.value', 'not an expression'],
    ['expressions of another type for a message of one value', { took: 'request.size' }, 'spec.params.took', 'DURATION is expected'],
    ['numbers for a message of one value', { took: 5 }, 'spec.params.took', 'not an expression of type DURATION'],
    ['constants that are no such value', { address: '"10.0.0"' }, 'spec.params.address', 'not a value of type IP_ADDRESS'],
  ])('may not hold %s', (_, params, path, message) => {
    const one = compiled(params);
    expect(one.ok ? [] : one.error).toMatchObject([{ path, message: expect.stringContaining(message) }]);
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['an attribute is absent', { inner: { text: 'source.name' } }, 'instance one.ns: inner.text: attribute "source.name" is absent'],
    [
      'an enumerator is unknown',
      { colors: ['source.user'] },
      'instance one.ns: colors[0]: enumeration rich.Color has no "ann"; it is one of NONE, RED, BLUE',
    ],
  ])('are not made when %s', (_, params, failure) => {
    const value = built(params);
    expect(value.ok ? '' : value.error).toBe(failure);
  });

  it('of built-in templates tell sessions the types of values below messages', () => {
    const params = { subject: { user: '"ann"', properties: { size: 'request.size' } }, action: { path: '"/"' } };
    const one = compileInstance('one.ns', { template: 'authorization', params }, standardVocabulary);
    const type = builtInServices.get('authorization')?.inferred;
    if (!one.ok || type === undefined) throw new Error('authorization is built in');
    const json = toJson(type, fromBinary(type, encodeInferredTypes(type, one.value.inferred)));
    expect(json).toEqual({ subject: { properties: { size: 'INT64' } } });
  });
  it('tell sessions the types of values', () => {
    const one = compiled({ value: 'source.ip', facts: { a: 'request.size', b: '"x"' }, inner: { next: { a_value: true } }, text: '"a"' });
    expect(one.ok && one.value.inferred).toEqual(
      new Map<string, unknown>([
        ['value', 'IP_ADDRESS'],
        [
          'facts',
          new Map([
            ['a', 'INT64'],
            ['b', 'STRING'],
          ]),
        ],
        ['inner', new Map([['next', new Map([['a_value', 'BOOL']])]])],
      ]),
    );
  });
});
