import { create } from '@bufbuild/protobuf';
import { CompressedAttributesSchema } from '@xebec/protos/istio/mixer/v1/attributes';
import { ReportRequestSchema } from '@xebec/protos/istio/mixer/v1/mixer';
import { describe, expect, it } from 'vitest';
import { decodeAttributes, decodeReport, encodeAttributes } from './compressed.ts';
import type { AttributeBag, AttributeValue } from './value.ts';

const bag: AttributeBag = new Map<string, AttributeValue>([
  ['a', { form: 'string', value: 'b' }],
  ['n', { form: 'int64', value: -5n }],
  ['d', { form: 'double', value: 0.5 }],
  ['t', { form: 'bool', value: false }],
  ['ip', { form: 'bytes', value: Uint8Array.of(10, 0, 0, 1) }],
  ['time', { form: 'timestamp', value: -1n }],
  ['took', { form: 'duration', value: 1_500_000_000n }],
  [
    'map',
    {
      form: 'stringMap',
      value: new Map([
        ['a', 'b'],
        ['', ''],
      ]),
    },
  ],
]);

describe('compressed attributes', () => {
  it('come back as they went', () => {
    const decoded = decodeAttributes(encodeAttributes(bag));
    expect(decoded.ok && [...decoded.value].sort()).toEqual([...bag].sort());
  });
  it('use a global dictionary that both ends have', () => {
    const globalWords = ['zero', 'a', 'b'];
    const message = encodeAttributes(bag, new Map(globalWords.map((word, i) => [word, i])));
    expect(message.strings).toEqual({ 1: 2 });
    expect(decodeAttributes(message, { globalWords }).ok).toBe(true);
    expect(decodeAttributes(message)).toEqual({ ok: false, error: 'word 1 is not in the global dictionary of 0 words' });
  });
  it('with a word out of range are refused', () => {
    const message = create(CompressedAttributesSchema, { words: ['a'], strings: { [-1]: -3 } });
    expect(decodeAttributes(message)).toEqual({ ok: false, error: "word -3 is not among the message's 1 words" });
  });
});

describe('reports', () => {
  const attributes = [
    create(CompressedAttributesSchema, { strings: { [-1]: -2 } }),
    create(CompressedAttributesSchema, { words: ['n'], int64s: { [-1]: 7n } }),
  ];
  const names = (semantics: number) => {
    const bags = decodeReport(
      create(ReportRequestSchema, { attributes, defaultWords: ['a', 'b'], repeatedAttributesSemantics: semantics }),
    );
    return bags.ok ? bags.value.map((one) => [...one.keys()]) : bags.error;
  };
  it('in delta encoding build on the one before', () => expect(names(0)).toEqual([['a'], ['a', 'n']]));
  it('in independent encoding stand alone', () => expect(names(1)).toEqual([['a'], ['n']]));
  it('name the bag that is wrong', () => {
    const bad = create(ReportRequestSchema, { attributes: [create(CompressedAttributesSchema, { strings: { [-1]: -1 } })] });
    expect(decodeReport(bad)).toEqual({ ok: false, error: "attributes[0]: word -1 is not among the message's 0 words" });
  });
});
