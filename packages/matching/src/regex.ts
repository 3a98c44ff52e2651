import { XebecError } from '@xebec/core';
import { RE2JS } from 're2js';

/** A compiled RE2 expression. */
export interface CompiledRegex {
  readonly source: string;
  /** Whether the whole value matches. */
  matches(value: string): boolean;
  /** Whether any part of the value matches. */
  contains(value: string): boolean;
  /** Replaces every match; `substitution` refers to groups as RE2 does: `\0` the match, `\1`.. the groups, `\\` a backslash. */
  replace(value: string, substitution: string): string;
}

/** Istio refuses longer ones; a longer one here comes from elsewhere and would only cost memory. */
const maxRegexLength = 16 * 1024;

// One-character atoms that JavaScript and RE2 read alike on header text. `.` is translated below.
const atom = String.raw`(?:[A-Za-z0-9_\-/:;,=@~ !"#%&'<>]|\\[./?*+()[\]{}|^$\\\-dwDW]|\.|\[\^?[A-Za-z0-9_./:;,=@~ -]+\])`;
const linear = new RegExp(String.raw`^\^?(?:${atom}\??)*(?:${atom}[*+]\??)?(?:${atom}\??)*\$?$`);

/**
 * Compiles an RE2 expression. Expressions with at most one unbounded repetition, of one character class, and without groups run
 * on the engine of the runtime, where they are linear and mean the same; all others run on RE2's own algorithm, so no
 * expression can be made slow by a request. Throws XebecError `E_REGEX`.
 */
export function compileRegex(source: string): CompiledRegex {
  if (source.length > maxRegexLength) throw new XebecError('E_REGEX', `regular expression is longer than ${maxRegexLength} characters`);
  let re2: RE2JS;
  try {
    re2 = RE2JS.compile(source);
  } catch (cause) {
    throw new XebecError('E_REGEX', `regular expression "${source}" is not valid RE2 syntax`, { cause });
  }
  const contains = (value: string) => re2.matcher(value).find();
  const replace = (value: string, substitution: string) => replaceAll(re2, value, substitution);
  if (source === '.*') return { source, matches: (value) => !value.includes('\n'), contains, replace };
  const optional = source.match(/(?<!\\)\?/g)?.length ?? 0;
  if (optional <= 2 && linear.test(source)) {
    const native = new RegExp(`^(?:${source.replaceAll(/\\.|\[[^\]]*\]|\./g, (part) => (part === '.' ? '[^\\n]' : part))})$`);
    return { source, matches: (value) => native.test(value), contains, replace };
  }
  return { source, matches: (value) => re2.testExact(value), contains, replace };
}

function replaceAll(re2: RE2JS, value: string, substitution: string): string {
  const matcher = re2.matcher(value);
  let result = '';
  let position = 0;
  let first = true;
  while (matcher.find()) {
    // RE2 replaces no empty match right behind another match: `.*` is replaced once.
    if (!first && matcher.start() === matcher.end() && matcher.start() === position) continue;
    first = false;
    result += value.slice(position, matcher.start());
    result += substitution.replaceAll(/\\(\d|\\)/g, (_, digit: string) => {
      if (digit === '\\') return '\\';
      const group = Number(digit);
      return group <= matcher.groupCount() ? (matcher.group(group) ?? '') : '';
    });
    position = matcher.end();
  }
  return result + value.slice(position);
}
