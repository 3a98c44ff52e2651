import type { parse } from '@bufbuild/cel';
import { nearest } from '@xebec/core';
import type { ExpressionProblem } from '../problem.ts';
import type { ValueType } from '../value.ts';
import type { Vocabulary } from '../vocabulary.ts';
import { CEL_OTHERS, CEL_RESULTS } from './cel-functions.ts';

export type CelExpr = NonNullable<ReturnType<typeof parse>['expr']>;

/** An attribute that an expression reads. */
export interface AttributeUse {
  readonly name: string;
  readonly type: ValueType;
  /** The variables that stand for its value and for whether it is there. */
  readonly variable: string;
  readonly presence: string;
  /** Of a map of which only these entries are read. */
  keys: Set<string> | undefined;
}

/** Leaves this folder as a problem. */
export class CelProblem extends Error {
  readonly problem: ExpressionProblem;
  constructor(column: number, message: string, suggestion?: string) {
    super(message);
    const hint = suggestion === undefined ? '' : `; did you mean "${suggestion}"?`;
    this.problem = { column, message: `${message}${hint}`, ...(suggestion === undefined ? {} : { suggestion }) };
  }
}

/**
 * Puts a variable in the place of each attribute (`a.b.c` is one name here, not fields of messages), opens up the macros `conditional` and
 * `pick`, and checks the names of attributes and functions.
 */
export function resolveAttributes(root: CelExpr, vocabulary: Vocabulary, column: (id: bigint) => number): readonly AttributeUse[] {
  const uses = new Map<string, AttributeUse>();
  const use = (name: string, type: ValueType): AttributeUse => {
    let found = uses.get(name);
    if (found === undefined) {
      found = { name, type, variable: `a${uses.size}__`, presence: `p${uses.size}__`, keys: type === 'STRING_MAP' ? new Set() : undefined };
      uses.set(name, found);
    }
    return found;
  };
  const toVariable = (expr: CelExpr, name: string): void => {
    expr.exprKind = { case: 'identExpr', value: { $typeName: 'cel.expr.Expr.Ident', name } };
  };
  /** Replaces an attribute; `key`: of its entries only this one is read. */
  const attribute = (expr: CelExpr, locals: ReadonlySet<string>, key?: string): boolean => {
    const path = pathOf(expr);
    const [first] = path ?? [];
    if (path === undefined || first === undefined || locals.has(first)) return false;
    const name = path.join('.');
    const type = vocabulary.get(name);
    if (type === undefined) {
      // A field of an attribute that is a message to CEL, such as an entry of a map by its name.
      if (path.length > 1 && path.slice(1).some((_, i) => vocabulary.has(path.slice(0, i + 1).join('.')))) return false;
      throw new CelProblem(column(startOf(expr).id), `unknown attribute "${name}"`, nearest(name, vocabulary.keys()));
    }
    const testOnly = expr.exprKind.case === 'selectExpr' && expr.exprKind.value.testOnly;
    const found = use(name, type);
    if (type === 'STRING_MAP' && key !== undefined) found.keys?.add(key);
    else found.keys = undefined;
    toVariable(expr, testOnly ? found.presence : found.variable);
    return true;
  };
  const walk = (expr: CelExpr | undefined, locals: ReadonlySet<string>): void => {
    if (expr === undefined || attribute(expr, locals)) return;
    const { exprKind } = expr;
    switch (exprKind.case) {
      case 'selectExpr':
        walk(exprKind.value.operand, locals);
        break;
      case 'callExpr': {
        const call = exprKind.value;
        if (call.target === undefined && call.function === 'conditional' && call.args.length === 3) call.function = '_?_:_';
        if (call.target === undefined && call.function === 'pick' && call.args.length > 0) {
          expr.exprKind = pick(call.args, column).exprKind;
          walk(expr, locals);
          return;
        }
        if (!CEL_RESULTS.has(call.function) && !CEL_OTHERS.has(call.function))
          throw new CelProblem(column(expr.id), `unknown function "${call.function}"`, nearest(call.function, functionNames));
        const [first, second] = call.args;
        if (call.function === '_[_]' && first !== undefined && literal(second) !== undefined && attribute(first, locals, literal(second)))
          return;
        if (call.function === '@in' && second !== undefined && literal(first) !== undefined && attribute(second, locals, literal(first)))
          return;
        walk(call.target, locals);
        for (const argument of call.args) walk(argument, locals);
        break;
      }
      case 'listExpr':
        for (const element of exprKind.value.elements) walk(element, locals);
        break;
      case 'structExpr':
        for (const entry of exprKind.value.entries) {
          if (entry.keyKind.case === 'mapKey') walk(entry.keyKind.value, locals);
          walk(entry.value, locals);
        }
        break;
      case 'comprehensionExpr': {
        const { iterVar, iterVar2, accuVar, iterRange, accuInit, loopCondition, loopStep, result } = exprKind.value;
        walk(iterRange, locals);
        walk(accuInit, locals);
        const inner = new Set([...locals, iterVar, iterVar2, accuVar]);
        for (const part of [loopCondition, loopStep, result]) walk(part, inner);
        break;
      }
    }
  };
  walk(root, new Set());
  return [...uses.values()];
}

const functionNames = [...CEL_RESULTS.keys(), ...CEL_OTHERS, 'conditional', 'pick', 'has'].filter((name) => /^[a-zA-Z]/.test(name));

function literal(expr: CelExpr | undefined): string | undefined {
  const constant = expr?.exprKind.case === 'constExpr' ? expr.exprKind.value.constantKind : undefined;
  return constant?.case === 'stringValue' ? constant.value : undefined;
}

/** `a.b.c` as its parts; undefined when it starts with anything but a name. */
function pathOf(expr: CelExpr): string[] | undefined {
  if (expr.exprKind.case === 'identExpr') return [expr.exprKind.value.name];
  if (expr.exprKind.case !== 'selectExpr' || expr.exprKind.value.operand === undefined) return undefined;
  const path = pathOf(expr.exprKind.value.operand);
  path?.push(expr.exprKind.value.field);
  return path;
}

function startOf(expr: CelExpr): CelExpr {
  return expr.exprKind.case === 'selectExpr' && expr.exprKind.value.operand !== undefined ? startOf(expr.exprKind.value.operand) : expr;
}

/** `pick(a.f, b["k"], x)`: the first that is there. */
function pick(args: readonly CelExpr[], column: (id: bigint) => number): CelExpr {
  const [first, ...rest] = args;
  if (first === undefined) throw new CelProblem(1, 'pick takes at least one argument');
  if (rest.length === 0) return first;
  const { exprKind } = first;
  const call = (name: string, operands: CelExpr[]): CelExpr => ({
    ...first,
    exprKind: { case: 'callExpr', value: { $typeName: 'cel.expr.Expr.Call', function: name, args: operands } },
  });
  if (exprKind.case === 'selectExpr') {
    if (exprKind.value.testOnly) throw new CelProblem(column(first.id), 'has() does not stand in pick()');
    const test: CelExpr = { ...first, exprKind: { case: 'selectExpr', value: { ...exprKind.value, testOnly: true } } };
    return call('_?_:_', [test, first, pick(rest, column)]);
  }
  const [map, key] = exprKind.case === 'callExpr' && exprKind.value.function === '_[_]' ? exprKind.value.args : [];
  // Anything else is always there.
  return map === undefined || key === undefined ? first : call('_?_:_', [call('@in', [copy(key), copy(map)]), first, pick(rest, column)]);
}

/** Replacing an attribute changes its node, so no node may stand in two places. */
function copy(expr: CelExpr): CelExpr {
  return structuredClone(expr);
}
