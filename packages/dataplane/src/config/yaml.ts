import type { JsonValue } from '@bufbuild/protobuf';
import { errorText, XebecError } from '@xebec/core';
import { isAlias, isMap, isScalar, isSeq, parseDocument, Scalar, type Node as YamlNode } from 'yaml';

/**
 * Reads YAML or JSON text as Envoy does; throws XebecError `E_YAML` with `file:line:column`. Scalars without quotes are YAML 1.1
 * booleans (`y`, `no`, `on`...), whole numbers of 32 bits, or text: fractions and long numbers stay text, which protobuf JSON reads.
 */
export function readYamlOrJson(text: string, file: string): JsonValue {
  if (text.trimStart().startsWith('{')) {
    try {
      return JSON.parse(text) as JsonValue;
    } catch {
      // Flow-style YAML also starts with a brace: the YAML parser has the last word.
    }
  }
  const document = parseDocument(text, { prettyErrors: true, uniqueKeys: false, schema: 'failsafe', merge: false });
  const problem = document.errors[0];
  if (problem !== undefined) {
    const at = problem.linePos?.[0];
    throw new XebecError('E_YAML', `${file}${at === undefined ? '' : `:${at.line}:${at.col}`}: ${problem.message.split('\n')[0]}`);
  }
  try {
    return toValue(document.contents, document, new Budget());
  } catch (cause) {
    throw new XebecError('E_YAML', `${file}: ${errorText(cause)}`, { cause });
  }
}

/** Reads JSON; throws XebecError `E_YAML` with the position. */
export function readJson(text: string, file: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch (cause) {
    throw new XebecError('E_YAML', `${file}: ${errorText(cause)}`, { cause });
  }
}

type Document = ReturnType<typeof parseDocument>;

/** Aliases of aliases can stand for more nodes than memory holds. */
class Budget {
  #left = 5_000_000;
  spend(): void {
    if (--this.#left < 0) throw new XebecError('E_YAML', 'the document is too large once its aliases are followed');
  }
}

function toValue(node: unknown, document: Document, budget: Budget): JsonValue {
  budget.spend();
  if (isAlias(node)) {
    const target: YamlNode | undefined = node.resolve(document);
    if (target === undefined) throw new XebecError('E_YAML', `alias *${node.source} has no anchor`);
    return toValue(target, document, budget);
  }
  if (isMap(node)) {
    const result: { [key: string]: JsonValue } = {};
    for (const { key, value } of node.items) {
      const name = isScalar(key) ? String(key.source ?? key.value ?? '') : String(key ?? '');
      // Not assigned: `__proto__` is a name like any other here.
      Object.defineProperty(result, name, {
        value: toValue(value, document, budget),
        enumerable: true,
        configurable: true,
        writable: true,
      });
    }
    return result;
  }
  if (isSeq(node)) return node.items.map((item) => toValue(item, document, budget));
  return isScalar(node) ? scalarValue(node) : null;
}

const truths = new Set(['y', 'Y', 'yes', 'Yes', 'YES', 'true', 'True', 'TRUE', 'on', 'On', 'ON']);
const falsehoods = new Set(['n', 'N', 'no', 'No', 'NO', 'false', 'False', 'FALSE', 'off', 'Off', 'OFF']);
const nulls = new Set(['', '~', 'null', 'Null', 'NULL']);

function scalarValue(node: Scalar): JsonValue {
  const text = String(node.value ?? '');
  if (node.type !== Scalar.PLAIN) return text;
  if (nulls.has(text)) return null;
  if (truths.has(text)) return true;
  if (falsehoods.has(text)) return false;
  const number = wholeNumber(text);
  if (number === undefined) return text;
  return number >= -2147483648n && number <= 2147483647n ? Number(number) : String(number);
}

/** Decimal, `0x` hexadecimal and `0` octal, as C++ streams read them. */
function wholeNumber(text: string): bigint | undefined {
  const match = /^([+-]?)(?:(0[xX][0-9a-fA-F]+)|0([0-7]+)|(0|[1-9]\d*))$/.exec(text);
  if (match === null) return undefined;
  const [, sign, hex, octal, decimal] = match;
  const value = BigInt(hex ?? (octal === undefined ? (decimal ?? '0') : `0o${octal}`));
  if (value >= 2n ** 63n) return undefined;
  return sign === '-' ? -value : value;
}
