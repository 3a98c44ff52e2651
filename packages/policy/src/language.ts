import type { Result } from '@xebec/core';
import { type CompiledExpression, compileExpression, type ExpressionProblem, type ValueType, type Vocabulary } from '@xebec/expressions';

/** How an object's expressions are written: release 1.4's own language, or CEL. */
export type ExpressionLanguage = 'CEXL' | 'CEL' | 'COMPAT';

export function compileIn(
  _language: ExpressionLanguage,
  text: string,
  vocabulary: Vocabulary,
  expected?: ValueType,
): Result<CompiledExpression, ExpressionProblem> {
  return compileExpression(text, vocabulary, expected);
}
