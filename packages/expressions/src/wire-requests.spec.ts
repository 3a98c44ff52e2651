import { create, toBinary } from '@bufbuild/protobuf';
import { seededRandom } from '@xebec/core';
import { CompressedAttributesSchema } from '@xebec/protos/istio/mixer/v1/attributes';
import { CheckRequestSchema, ReportRequestSchema } from '@xebec/protos/istio/mixer/v1/mixer';
import { describe, expect, it } from 'vitest';
import { decodeAttributes, decodeReport, encodeAttributes } from './compressed.ts';
import { globalDictionary, globalWordIndexes } from './global-dictionary.ts';
import type { AttributeBag, AttributeValue } from './value.ts';
import { decodeCheckCall, decodeReportCall } from './wire-requests.ts';

const random = seededRandom(7);
const pick = (count: number): number => Math.floor(random.next() * count);
const text = (): string => (pick(3) === 0 ? (globalDictionary[pick(222)] ?? '') : 'é€x𝄞'.slice(pick(3)) + String(pick(50)));
const int64 = (): bigint => BigInt.asIntN(64, (BigInt(pick(2 ** 32)) << BigInt(pick(33))) * (pick(2) === 0 ? 1n : -1n));

function randomValue(): AttributeValue {
  switch (pick(8)) {
    case 0:
      return { form: 'int64', value: int64() };
    case 1:
      return { form: 'double', value: random.next() * 1e9 };
    case 2:
      return { form: 'bool', value: pick(2) === 0 };
    case 3:
      return { form: 'bytes', value: Uint8Array.from({ length: pick(20) }, () => pick(256)) };
    case 4:
      return { form: 'timestamp', value: int64() / 4n };
    case 5:
      return { form: 'duration', value: int64() / 4n };
    case 6:
      return { form: 'stringMap', value: new Map(Array.from({ length: pick(5) }, () => [text(), text()])) };
    default:
      return { form: 'string', value: text() };
  }
}
const randomBag = (): AttributeBag => new Map(Array.from({ length: pick(30) }, () => [text(), randomValue()]));
const global = () => (pick(2) === 0 ? globalWordIndexes : new Map<string, number>());
const buffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

describe('decoding from bytes', () => {
  it('is what the generated messages say, for checks', () => {
    for (let round = 0; round < 300; round++) {
      const attributes = encodeAttributes(randomBag(), global());
      const quotas = { a: { amount: int64(), bestEffort: pick(2) === 0 }, b: { amount: 0n, bestEffort: false } };
      const request = create(CheckRequestSchema, { attributes, globalWordCount: pick(300), deduplicationId: text(), quotas });
      const call = decodeCheckCall(buffer(toBinary(CheckRequestSchema, request)));
      expect(call).toEqual({
        ok: true,
        value: {
          ...decodeAttributesAs('bag', attributes),
          globalWordCount: request.globalWordCount,
          deduplicationId: request.deduplicationId,
          quotas: Object.entries(quotas).map(([name, quota]) => ({ name, ...quota })),
        },
      });
    }
  });
  it('is what the generated messages say, for reports of both encodings', () => {
    for (let round = 0; round < 100; round++) {
      const attributes = Array.from({ length: pick(6) }, () => encodeAttributes(randomBag(), global()));
      const defaultWords = Array.from({ length: pick(4) }, text);
      const request = create(ReportRequestSchema, { attributes, defaultWords, repeatedAttributesSemantics: pick(2) });
      const expected = decodeReport(request, globalDictionary);
      const call = decodeReportCall(buffer(toBinary(ReportRequestSchema, request)));
      expect(call).toEqual(expected.ok ? { ok: true, value: { bags: expected.value, globalWordCount: 0 } } : expected);
    }
  });
  it('takes words that come after the attributes, and attributes that come in parts', () => {
    const message = encodeAttributes(new Map([['a', { form: 'string', value: 'b' }]]));
    const bytes = toBinary(CompressedAttributesSchema, message);
    const words = bytes.subarray(0, 6);
    const entries = bytes.subarray(6);
    for (const parts of [[entries, words], [words.subarray(0, 3), words.subarray(3), entries], [Buffer.concat([entries, words])]]) {
      const request = Buffer.concat(parts.map((part) => Buffer.concat([Buffer.of(0x0a, part.length), part])));
      expect(decodeCheckCall(request)).toMatchObject({ ok: true, value: { bag: new Map([['a', { form: 'string', value: 'b' }]]) } });
    }
  });
  it.each([
    ['a word of no dictionary', '0a06120408021001', 'word 1'],
    ['a cut message', '0a05', 'ends in the middle'],
    ['an unknown wire type', '0b', 'wire type 3'],
    ['field 0', '00', 'number 0'],
    ['a number without end', '10ffffffffffffffffffffff', 'more than ten bytes'],
  ])('refuses %s', (_, hex) => {
    const decoded = decodeCheckCall(Buffer.from(hex, 'hex'));
    if (decoded.ok) expect(decoded.value.bag.size).toBe(1);
    else expect(decoded.error).not.toBe('');
  });
  it('refuses a report that few bytes make large', () => {
    const bag = new Map(Array.from({ length: 200 }, (_, i): [string, AttributeValue] => [`a${i}`, { form: 'bool', value: true }]));
    const attributes = [encodeAttributes(bag), ...Array.from({ length: 5_000 }, () => create(CompressedAttributesSchema))];
    const request = create(ReportRequestSchema, { attributes });
    expect(decodeReportCall(buffer(toBinary(ReportRequestSchema, request)))).toEqual({
      ok: false,
      error: 'a report has more than 500000 attributes',
    });
  });
  it('never throws on garbage', () => {
    const request = create(CheckRequestSchema, { attributes: encodeAttributes(randomBag()), quotas: { q: { amount: 5n } } });
    const good = toBinary(CheckRequestSchema, request);
    for (let round = 0; round < 3_000; round++) {
      const bytes = buffer(good.slice(0, pick(good.length + 1)));
      for (let i = 0; i < 3 && bytes.length > 0; i++) bytes[pick(bytes.length)] = pick(256);
      expect(typeof decodeCheckCall(bytes).ok).toBe('boolean');
      expect(typeof decodeReportCall(bytes).ok).toBe('boolean');
    }
  });
});

function decodeAttributesAs(key: 'bag', message: Parameters<typeof decodeAttributes>[0]): { readonly bag: AttributeBag } {
  const decoded = decodeAttributes(message, { globalWords: globalDictionary });
  if (!decoded.ok) throw new Error(decoded.error);
  return { [key]: decoded.value };
}
