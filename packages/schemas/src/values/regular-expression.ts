import { RE2JS } from 're2js';
import type { ValueCheck } from './value-check.ts';

const MAX_LENGTH = 1024;

/** Whether RE2, which proxies match with, reads the expression: no look-around, no references back. */
export const compiles: ValueCheck = (value) => {
  try {
    RE2JS.compile(value);
    return undefined;
  } catch (error) {
    return `"${value}" is not an RE2 expression: ${error instanceof Error ? error.message.replaceAll('\n', ' ') : String(error)}`;
  }
};

/** An expression that requests are matched against. */
export const regularExpression: ValueCheck = (value) => {
  if (value === '') return 'an empty regex matches nothing';
  return value.length > MAX_LENGTH ? `longer than ${MAX_LENGTH} characters` : compiles(value);
};
