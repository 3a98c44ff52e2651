import type { Result, Violation } from '@xebec/core';
import {
  type CompiledExpression,
  compileCel,
  compileExpression,
  type ExpressionProblem,
  type ValueType,
  type Vocabulary,
} from '@xebec/expressions';
import type { ConfigObject } from '@xebec/schemas';

/**
 * How an object's expressions are written: release 1.4's own language (CEXL), or CEL. COMPAT was CEXL evaluated by a CEL runtime: here it
 * is CEXL.
 */
export type ExpressionLanguage = 'CEXL' | 'CEL' | 'COMPAT';

const ANNOTATION = 'policy.istio.io/lang';

export function languageOf({ metadata }: Pick<ConfigObject, 'metadata'>): ExpressionLanguage {
  const wanted = metadata.annotations[ANNOTATION];
  return wanted === 'CEL' || wanted === 'COMPAT' ? wanted : 'CEXL';
}

/** An annotation that names no language: release 1.4 took it for CEXL. */
export function languageProblem({ metadata }: Pick<ConfigObject, 'metadata'>): Violation | undefined {
  const wanted = metadata.annotations[ANNOTATION];
  if (wanted === undefined || wanted === 'CEL' || wanted === 'COMPAT' || wanted === 'CEXL') return undefined;
  return {
    path: `metadata.annotations["${ANNOTATION}"]`,
    message: `"${wanted}" is none of CEXL, CEL and COMPAT; expressions are read as CEXL`,
  };
}

export function compileIn(
  language: ExpressionLanguage,
  text: string,
  vocabulary: Vocabulary,
  expected?: ValueType,
): Result<CompiledExpression, ExpressionProblem> {
  return language === 'CEL' ? compileCel(text, vocabulary, expected) : compileExpression(text, vocabulary, expected);
}
