import { seededRandom } from '@xebec/core';
import { describe, expect, it } from 'vitest';
import { compileExpression } from './compile.ts';
import { formatValue } from './format.ts';
import { parseExpression } from './parser.ts';
import { expressionProblemText } from './problem.ts';
import { ReferenceTracker } from './references.ts';
import type { AttributeBag, AttributeValue } from './value.ts';
import { standardVocabulary } from './vocabulary.ts';

const bag: AttributeBag = new Map<string, AttributeValue>([
  ['request.path', { form: 'string', value: '/api/v1/products' }],
  ['request.host', { form: 'string', value: 'Shop.Example.com' }],
  ['request.size', { form: 'int64', value: 42n }],
  ['connection.mtls', { form: 'bool', value: true }],
  ['source.ip', { form: 'bytes', value: Uint8Array.of(10, 1, 2, 3) }],
  ['destination.ip', { form: 'bytes', value: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 1, 2, 3) }],
  ['response.duration', { form: 'duration', value: 20_000_000n }],
  ['request.time', { form: 'timestamp', value: 1_700_000_000_000_000_000n }],
  [
    'source.labels',
    {
      form: 'stringMap',
      value: new Map([
        ['app', 'reviews'],
        ['version', 'v3'],
      ]),
    },
  ],
  ['source.name', { form: 'int64', value: 1n }],
]);

/** The value as text, or `!` and the evaluation's failure. */
function evaluate(text: string): string {
  const compiled = compileExpression(text, standardVocabulary);
  if (!compiled.ok) throw new Error(`${text}: ${expressionProblemText(compiled.error)}`);
  const result = compiled.value.evaluate(bag);
  return result.ok ? formatValue({ type: compiled.value.type, value: result.value }) : `!${result.error.message}`;
}

describe('values', () => {
  it.each([
    ['"a"', 'a'],
    ['`a\\d`', 'a\\d'],
    [String.raw`"a\"b\n"`, 'a"b\n'],
    [String.raw`"\x41\u0042"`, 'AB'],
    ['1', '1'],
    ['-1', '-1'],
    ['0x10', '16'],
    ['9223372036854775807', '9223372036854775807'],
    ['1.5', '1.5'],
    ['1e3', '1000'],
    ['true', 'true'],
    ['!true', 'false'],
    ['!!true', 'true'],
    ['request.size', '42'],
    ['request.size + 1', '43'],
    ['request.size + 1 == 43', 'true'],
    ['"a" + "b" + "c"', 'abc'],
    ['request.size == 42', 'true'],
    ['request.size != 42', 'false'],
    ['request.size < 43', 'true'],
    ['request.size <= 42', 'true'],
    ['request.size > 42', 'false'],
    ['request.size >= 42', 'true'],
    ['"a" < "b"', 'true'],
    ['true && false || true', 'true'],
    ['false || true && false', 'false'],
    ['(true || true) && false', 'false'],
    ['source.labels["app"]', 'reviews'],
    ['source.labels["app"] == "reviews" && source.labels["version"] == "v3"', 'true'],
    ['source.labels["none"] | "x"', 'x'],
    ['destination.labels["none"] | "x"', 'x'],
    ['source.labels["none"] | source.labels["app"]', 'reviews'],
    ['source.user | source.principal | "nobody"', 'nobody'],
    ['source.user | "x" == "x"', 'true'],
    ['request.size | 200', '42'],
    ['response.size | 200', '200'],
    ['(destination.labels | emptyStringMap())["a"] | "x"', 'x'],
    ['connection.mtls ? "on" : "off"', 'on'],
    ['conditional(request.size > 40, "large", "small")', 'large'],
    ['conditional(false, 1, 2)', '2'],
    ['conditionalString(connection.mtls, "a", "b")', 'a'],
    ['false ? 1 : true ? 2 : 3', '2'],
    ['size("héllo")', '6'],
    ['size(source.labels)', '2'],
    ['source.ip', '10.1.2.3'],
    ['source.ip == ip("10.1.2.3")', 'true'],
    ['source.ip == destination.ip', 'true'],
    ['ip("::1") == ip("0:0:0:0:0:0:0:1")', 'true'],
    ['ip("2001:DB8::1")', '2001:db8::1'],
    ['string(source.ip)', '10.1.2.3'],
    ['response.duration > "10ms"', 'true'],
    ['"10ms" < response.duration', 'true'],
    ['connection.duration | "5s"', '5s'],
    ['response.duration == "20ms"', 'true'],
    ['response.duration > "0" && response.duration == ".02s"', 'true'],
    ['"10ms" == "10ms"', 'true'],
    ['request.time > timestamp("2020-01-01T00:00:00Z")', 'true'],
    ['request.time', '2023-11-14T22:13:20.000Z'],
    ['timestamp("2020-01-01T01:00:00+01:00") == timestamp("2020-01-01T00:00:00Z")', 'true'],
    ['dnsName("Shop.example.COM.") == dnsName("shop.example.com")', 'true'],
    ['dnsName(request.host)', 'Shop.Example.com'],
    ['email("a@EXAMPLE.com") == email("a@example.com")', 'true'],
    ['email("A@example.com") == email("a@example.com")', 'false'],
    ['uri("HTTP://Example.com/ä b#") == uri("http://example.com/%C3%A4%20b")', 'true'],
    ['match(request.path, "/api*")', 'true'],
    ['match(request.path, "*products")', 'true'],
    ['match(request.path, "/api")', 'false'],
    ['match("a", "*")', 'true'],
    ['"^/api/v[0-9]+/".matches(request.path)', 'true'],
    ['request.path.startsWith("/api")', 'true'],
    ['request.path.endsWith("/api")', 'false'],
    ['source.labels["app"].startsWith("rev")', 'true'],
    ['(request.useragent | "-").startsWith("kube-probe")', 'false'],
    ['toLower(request.host)', 'shop.example.com'],
    ['reverse("abc")', 'cba'],
    // The side that decides nothing is not looked at.
    ['true || source.user == "x"', 'true'],
    ['false && source.user == "x"', 'false'],
    ['source.user', '!attribute "source.user" is absent'],
    ['source.user == "x"', '!attribute "source.user" is absent'],
    // A map without the key has it empty, but for `|`.
    ['source.labels["none"]', ''],
    ['source.labels["none"] != "x"', 'true'],
    ['request.auth.claims["none"]', '!attribute "request.auth.claims" is absent'],
    ['request.auth.claims["none"] | source.labels["app"]', 'reviews'],
    ['source.labels[source.user] | "x"', 'x'],
    ['(source.user | request.auth.claims["none"]) | source.labels["none"]', ''],
    // What is absent deeper than in operands of `|` is no matter of choice.
    ['toLower(source.user) | "x"', '!attribute "source.user" is absent'],
    ['conditional(true, source.user, "a") | "x"', '!attribute "source.user" is absent'],
    ['True && !FALSE', 'true'],
    ['"\\U0001F600" == "😀" && "\\101" == "A"', 'true'],
    ['dnsName("b.com") < dnsName("c.com")', 'true'],
    ['ip(request.path)', '!ip: "/api/v1/products" is not an IP address'],
    ['ip(request.path) | ip("1.1.1.1")', '!ip: "/api/v1/products" is not an IP address'],
    ['source.name', '!attribute "source.name" came as int64, but its type is STRING'],
    ['request.path.matches("x") || request.path.matches("y")', 'false'],
  ])('%s', (text, value) => {
    expect(evaluate(text)).toBe(value);
  });
});

describe('problems', () => {
  it.each([
    ['', 'column 1: expected a value, an attribute or "(", but the expression ends'],
    ['(true', 'column 6: expected ")", but the expression ends'],
    ['true)', 'column 5: expected an operator or the end, but got ")"'],
    ['request.', 'column 9: expected a name after ".", but the expression ends'],
    ['"abc', 'column 1: the string has no closing "'],
    ['`abc', 'column 1: the string has no closing `'],
    [String.raw`"a\d"`, String.raw`column 3: unknown escape "\d"; write \\ for a backslash, or put the string between backticks`],
    ["'ab'", `column 1: unexpected character "'"; strings stand in double quotes`],
    ['request.size = 1', 'column 14: unexpected character "="; equality is =='],
    ['true & false', 'column 6: unexpected character "&"; and is &&'],
    ['10ms', 'column 1: "10m" is not a number; durations stand in quotes, such as "10ms"'],
    ['9223372036854775808', 'column 1: 9223372036854775808 does not fit into 64 bits'],
    ['-true', 'column 2: expected a number after "-", but got "true"'],
    ['true && source.nam == "x"', 'column 9: unknown attribute "source.nam"; did you mean "source.name"?'],
    ['zzz.yyy', 'column 1: unknown attribute "zzz.yyy"'],
    ['request.size == "1"', 'column 14: both sides of == must have one type, but are INT64 and STRING'],
    ['request.size + "1"', 'column 14: both sides of + must have one type, but are INT64 and STRING'],
    ['request.size | "1"', 'column 14: both sides of | must have one type, but are INT64 and STRING'],
    ['source.ip == "10.0.0.1"', 'column 11: both sides of == must have one type, but are IP_ADDRESS and STRING'],
    ['true < false', 'column 6: < is not defined for BOOL'],
    ['source.ip + source.ip', 'column 11: + is not defined for IP_ADDRESS'],
    ['request.size && true', 'column 1: the left side of && must be BOOL, but is INT64'],
    ['true || 1', 'column 9: the right side of || must be BOOL, but is INT64'],
    ['!request.size', 'column 2: operand of ! must be BOOL, but is INT64'],
    ['request.size["a"]', 'column 1: what stands before [ must be STRING_MAP, but is INT64'],
    ['source.labels[1]', 'column 15: the key of a map must be STRING, but is INT64'],
    ['ipp("1.1.1.1")', 'column 1: unknown function "ipp"; did you mean "ip"?'],
    ['ip(1)', 'column 1: expected ip(STRING), but got ip(INT64)'],
    ['ip()', 'column 1: ip takes 1 argument, but got 0'],
    ['match("a")', 'column 1: match takes 2 arguments, but got 1'],
    ['ip("nonsense")', 'column 4: "nonsense" is not an IP address'],
    ['"(".matches(request.path)', 'column 1: "(" is not a regular expression (RE2)'],
    ['matches(request.path)', 'column 1: matches stands after a value: "text".matches(…)'],
    ['request.path.toLower()', 'column 14: toLower does not stand after a value: write toLower(…)'],
    ['true ? 1 : "a"', 'column 6: both outcomes must have one type, but are INT64 and STRING'],
    ['1 ? 1 : 2', 'column 1: the condition must be BOOL, but is INT64'],
    ['conditional(true, 1)', 'column 1: conditional takes 3 arguments, but got 2'],
    ['size(1)', 'column 1: expected size(STRING) or size(STRING_MAP), but got size(INT64)'],
  ])('%s', (text, problem) => {
    const compiled = compileExpression(text, standardVocabulary);
    expect(compiled.ok ? '' : expressionProblemText(compiled.error)).toBe(problem);
  });
  it('names the type that the place wants', () => {
    const compiled = compileExpression('request.size', standardVocabulary, 'BOOL');
    expect(compiled.ok ? '' : compiled.error.message).toBe('the expression is of type INT64, but BOOL is expected here');
  });
  it.each([
    ['brackets', '('.repeat(10_000)],
    ['negations', '!'.repeat(10_000)],
    ['operators', Array.from({ length: 2000 }, () => 'a').join('+')],
    ['indexes', `a${'["b"]'.repeat(2000)}`],
    ['conditionals', 'true?1:'.repeat(2000)],
    ['text', `"${'a'.repeat(20_000)}"`],
  ])('refuses too many %s', (_, text) => {
    expect(parseExpression(text).ok).toBe(false);
  });
});

describe('references', () => {
  it('records what was read, entries of maps by their key', () => {
    const compiled = compileExpression('source.labels["app"] == "reviews" && (source.user | "x") == "x"', standardVocabulary);
    const tracker = new ReferenceTracker();
    if (compiled.ok) compiled.value.evaluate(bag, tracker);
    expect(tracker.list()).toEqual([
      { name: 'source.labels', mapKey: 'app', present: true },
      { name: 'source.user', mapKey: undefined, present: false },
    ]);
  });
});

describe('fuzz', () => {
  it('returns a value or a problem with a column inside the text, whatever comes', () => {
    const random = seededRandom(7);
    const pieces = [
      '(',
      ')',
      '[',
      ']',
      '"a"',
      '`',
      '"',
      '1',
      '.',
      'a',
      'request.size',
      'source.labels',
      '|',
      '||',
      '&&',
      '==',
      '?',
      ':',
      '!',
      '-',
      '+',
      ',',
      'ip',
      'true',
      ' ',
      '\\',
      '\0',
      'é',
    ];
    for (let i = 0; i < 5000; i++) {
      let text = '';
      const length = Math.floor(random.next() * 30);
      for (let j = 0; j < length; j++) text += pieces[Math.floor(random.next() * pieces.length)] ?? '';
      const compiled = compileExpression(text, standardVocabulary);
      if (compiled.ok) compiled.value.evaluate(bag);
      else {
        expect(compiled.error.column).toBeGreaterThanOrEqual(1);
        expect(compiled.error.column).toBeLessThanOrEqual(text.length + 1);
      }
    }
  });
});
