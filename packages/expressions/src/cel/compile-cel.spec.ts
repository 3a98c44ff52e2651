import { describe, expect, it } from 'vitest';
import { formatValue } from '../format.ts';
import { expressionProblemText } from '../problem.ts';
import { ReferenceTracker } from '../references.ts';
import type { AttributeBag, AttributeValue, ValueType } from '../value.ts';
import { standardVocabulary } from '../vocabulary.ts';
import { compileCel } from './compile-cel.ts';

const bag: AttributeBag = new Map<string, AttributeValue>([
  ['request.path', { form: 'string', value: '/api/v1/products' }],
  ['request.host', { form: 'string', value: 'Shop.Example.com' }],
  ['request.size', { form: 'int64', value: 42n }],
  ['connection.mtls', { form: 'bool', value: true }],
  ['source.ip', { form: 'bytes', value: Uint8Array.of(10, 1, 2, 3) }],
  ['response.duration', { form: 'duration', value: 20_000_000n }],
  ['request.time', { form: 'timestamp', value: 1_700_000_000_000_000_000n }],
  ['source.labels', { form: 'stringMap', value: new Map([['app', 'reviews']]) }],
]);

function evaluate(text: string, expected?: ValueType): string {
  const compiled = compileCel(text, standardVocabulary, expected);
  if (!compiled.ok) throw new Error(`${text}: ${expressionProblemText(compiled.error)}`);
  const result = compiled.value.evaluate(bag);
  return result.ok ? formatValue({ type: compiled.value.type, value: result.value }) : '!';
}

describe('values', () => {
  it.each([
    ['"a"', 'a'],
    ["'a' + 'b'", 'ab'],
    ['request.size', '42'],
    ['request.size + 1', '43'],
    ['request.size * 2 - 4', '80'],
    ['request.size == 42 && connection.mtls', 'true'],
    ['request.path.startsWith("/api")', 'true'],
    ['request.path.endsWith("/api")', 'false'],
    ['request.path.contains("v1")', 'true'],
    ['request.path.matches("^/api/v[0-9]+/")', 'true'],
    ['matches(request.path, "^/other")', 'false'],
    ['match(request.path, "/api*")', 'true'],
    ['match(request.path, "*products")', 'true'],
    ['reverse("abc")', 'cba'],
    ['"abc".reverse()', 'cba'],
    ['toLower(request.host)', 'shop.example.com'],
    ['dnsName("A.example.") == dnsName("a.EXAMPLE")', 'true'],
    ['email("a@EXAMPLE.com") == email("a@example.com")', 'true'],
    ['uri("HTTP://Example.com/ä b#") == uri("http://example.com/%C3%A4%20b")', 'true'],
    ['source.ip == ip("10.1.2.3")', 'true'],
    ['source.labels["app"] == "reviews"', 'true'],
    ['source.labels["none"] == "reviews"', '!'],
    ['"app" in source.labels', 'true'],
    ['"none" in source.labels', 'false'],
    ['source.labels.app == "reviews"', 'true'],
    ['has(source.labels)', 'true'],
    ['has(request.size)', 'true'],
    ['has(response.size)', 'false'],
    ['response.size', '0'],
    ['source.user', ''],
    ['size(destination.labels)', '0'],
    ['pick(response.size, 200)', '200'],
    ['pick(request.size, 200)', '42'],
    ['pick(source.labels["none"], source.labels["app"], "x")', 'reviews'],
    ['pick(destination.labels["app"], "unknown")', 'unknown'],
    ['conditional(request.size > 40, "large", "small")', 'large'],
    ['request.size > 40 ? "large" : "small"', 'large'],
    ['response.duration > duration("10ms")', 'true'],
    ['request.time > timestamp("2020-01-01T00:00:00Z")', 'true'],
    ['request.time.getFullYear()', '2023'],
    ['[1, 2, 3].exists(x, x == 2)', 'true'],
    ['source.labels.all(k, k == "app")', 'true'],
    ['size("héllo")', '5'],
    ['ip(request.path) == source.ip', '!'],
    ['1 / (request.size - 42) == 1', '!'],
    ['emptyStringMap() == destination.labels', 'true'],
  ])('%s', (text, value) => expect(evaluate(text)).toBe(value));
  it('gives what the place wants', () => {
    expect(evaluate('response.duration', 'DURATION')).toBe('20ms');
    expect(evaluate('request.time', 'TIMESTAMP')).toBe('2023-11-14T22:13:20.000Z');
    expect(evaluate('source.ip', 'IP_ADDRESS')).toBe('10.1.2.3');
    expect(evaluate('source.labels', 'STRING_MAP')).toBe('{"app":"reviews"}');
  });
});

describe('problems', () => {
  it.each([
    ['', 'column 1'],
    ['request.size ==', 'column 14: '],
    ['true && source.nam == "x"', 'column 9: unknown attribute "source.nam"; did you mean "source.name"?'],
    ['zzz.yyy', 'column 1: unknown attribute "zzz.yyy"'],
    ['has(source.nam)', 'column 5: unknown attribute "source.nam"; did you mean "source.name"?'],
    ['tolower(request.host)', 'column 1: unknown function "tolower"; did you mean "toLower"?'],
    ['request.size == "1"', 'column 14: both sides of == must have one type, but are INT64 and STRING'],
    ['request.size && true', 'column 8: && takes BOOL, but this is INT64'],
    ['request.size ? 1 : 2', 'the condition must be BOOL, but is INT64'],
    ['true ? 1 : "a"', 'both outcomes must have one type, but are INT64 and STRING'],
    ['request.size | 200', 'column 14: '],
    ['source.labels["app"', 'column '],
  ])('%s', (text, problem) => {
    const compiled = compileCel(text, standardVocabulary);
    expect(compiled.ok ? '' : expressionProblemText(compiled.error)).toContain(problem);
  });
  it('names the type that the place wants', () => {
    const compiled = compileCel('request.size', standardVocabulary, 'BOOL');
    expect(compiled.ok ? '' : compiled.error.message).toBe('the expression is of type INT64, but BOOL is expected here');
  });
});

describe('references', () => {
  it('are entries of maps where only these are read', () => {
    const compiled = compileCel('source.labels["app"] == "x" || request.size > 1 || has(source.user)', standardVocabulary);
    const tracker = new ReferenceTracker();
    if (compiled.ok) compiled.value.evaluate(bag, tracker);
    expect(tracker.list()).toEqual([
      { name: 'source.labels', mapKey: 'app', present: true },
      { name: 'request.size', mapKey: undefined, present: true },
      { name: 'source.user', mapKey: undefined, present: false },
    ]);
  });
});
