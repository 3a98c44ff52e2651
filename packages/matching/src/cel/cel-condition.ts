import { type CelInput, celEnv, isCelError, plan } from '@bufbuild/cel';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { errorText, XebecError } from '@xebec/core';
import { type Expr, ExprSchema } from '@xebec/protos/cel/expr/syntax';
import { type Expr as OldExpr, ExprSchema as OldExprSchema } from '@xebec/protos/google/api/expr/v1alpha1/syntax';
import type { CelExpression } from '@xebec/protos/xds/type/v3/cel';
import type { MatchSubject } from '../matcher-tree/data-input.ts';
import { celAttribute } from './attributes.ts';

export type CelCondition = (subject: MatchSubject) => boolean;

/** Compiles a parsed or checked expression of xDS. Throws XebecError `E_MATCHER`. */
export function compileCelExpression(expression: CelExpression): CelCondition {
  const expr = expression.celExprChecked?.expr ?? expression.celExprParsed?.expr;
  if (expr !== undefined) return compileExpr(expr);
  const old = expression.exprSpecifier.value?.expr;
  if (old === undefined) throw new XebecError('E_MATCHER', 'CEL expression not set; give cel_expr_parsed or cel_expr_checked');
  return compileOldExpr(old);
}

/** Compiles the form of the API's first years, which has the same bytes. */
export function compileOldExpr(old: OldExpr): CelCondition {
  return compileExpr(fromBinary(ExprSchema, toBinary(OldExprSchema, old)));
}

/** True only when the expression is: an error or another value is no match. */
function compileExpr(expr: Expr): CelCondition {
  const evaluate = planned(expr);
  const names = [...identifiers(expr)];
  return (subject) => {
    const context: Record<string, CelInput> = {};
    for (const name of names) {
      const value = celAttribute(name, subject);
      if (value !== undefined) context[name] = value;
    }
    const result = evaluate(context);
    return !isCelError(result) && result === true;
  };
}

function planned(expr: Expr): (context: Record<string, CelInput>) => unknown {
  try {
    return plan(celEnv(), expr);
  } catch (cause) {
    throw new XebecError('E_MATCHER', `CEL expression: ${errorText(cause)}`, { cause });
  }
}

/** The names that an expression reads, so that only these are made for it. */
function identifiers(expr: Expr | undefined, into = new Set<string>()): Set<string> {
  const kind = expr?.exprKind;
  switch (kind?.case) {
    case 'identExpr':
      into.add(kind.value.name);
      break;
    case 'selectExpr':
      identifiers(kind.value.operand, into);
      break;
    case 'callExpr':
      identifiers(kind.value.target, into);
      for (const argument of kind.value.args) identifiers(argument, into);
      break;
    case 'listExpr':
      for (const element of kind.value.elements) identifiers(element, into);
      break;
    case 'structExpr':
      for (const entry of kind.value.entries) {
        if (entry.keyKind.case === 'mapKey') identifiers(entry.keyKind.value, into);
        identifiers(entry.value, into);
      }
      break;
    case 'comprehensionExpr': {
      const { iterRange, accuInit, loopCondition, loopStep, result } = kind.value;
      for (const part of [iterRange, accuInit, loopCondition, loopStep, result]) identifiers(part, into);
      break;
    }
  }
  return into;
}
