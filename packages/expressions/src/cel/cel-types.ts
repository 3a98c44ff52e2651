import type { ValueType } from '../value.ts';
import { type AttributeUse, type CelExpr, CelProblem } from './cel-attributes.ts';
import { CEL_RESULTS } from './cel-functions.ts';

const COMPARISONS: ReadonlySet<string> = new Set(['_==_', '_!=_', '_<_', '_<=_', '_>_', '_>=_']);
const LOGIC: ReadonlySet<string> = new Set(['_&&_', '_||_', '!_']);

/** The type of an expression as far as it is plain to see; throws CelProblem where types do not go together. */
export function typeOf(root: CelExpr, uses: readonly AttributeUse[], column: (id: bigint) => number): ValueType | undefined {
  const variables = new Map<string, ValueType>(
    uses.flatMap(({ variable, presence, type }) => [
      [variable, type],
      [presence, 'BOOL'],
    ]),
  );
  const infer = (expr: CelExpr | undefined): ValueType | undefined => {
    const kind = expr?.exprKind;
    if (expr === undefined) return undefined;
    if (kind?.case === 'constExpr') return CONSTANTS[kind.value.constantKind.case ?? ''];
    if (kind?.case === 'identExpr') return variables.get(kind.value.name);
    if (kind?.case === 'selectExpr') return kind.value.testOnly ? 'BOOL' : undefined;
    if (kind?.case === 'comprehensionExpr') {
      // What macros such as `exists` gather has the type that it starts with.
      const gathered = infer(kind.value.accuInit);
      if (gathered !== undefined) variables.set(kind.value.accuVar, gathered);
      return infer(kind.value.result);
    }
    if (kind?.case !== 'callExpr') return undefined;
    const { function: name, target, args } = kind.value;
    const types = args.map(infer);
    const [a, b, c] = types;
    infer(target);
    if (LOGIC.has(name)) {
      for (const [i, type] of types.entries())
        if (type !== undefined && type !== 'BOOL')
          throw new CelProblem(column(args[i]?.id ?? expr.id), `${shown(name)} takes BOOL, but this is ${type}`);
    }
    if (COMPARISONS.has(name) && a !== undefined && b !== undefined && a !== b)
      throw new CelProblem(column(expr.id), `both sides of ${shown(name)} must have one type, but are ${a} and ${b}`);
    if (name === '_?_:_') {
      if (a !== undefined && a !== 'BOOL') throw new CelProblem(column(expr.id), `the condition must be BOOL, but is ${a}`);
      if (b !== undefined && c !== undefined && b !== c)
        throw new CelProblem(column(expr.id), `both outcomes must have one type, but are ${b} and ${c}`);
      return b ?? c;
    }
    if (name === '_[_]') return a === 'STRING_MAP' ? 'STRING' : undefined;
    if (name === '_+_' && a === b) return a;
    if ((name === '_-_' || name === '_*_' || name === '_/_' || name === '_%_') && a === b && (a === 'INT64' || a === 'DOUBLE')) return a;
    return CEL_RESULTS.get(name);
  };
  return infer(root);
}

const CONSTANTS: Readonly<Record<string, ValueType>> = {
  stringValue: 'STRING',
  int64Value: 'INT64',
  doubleValue: 'DOUBLE',
  boolValue: 'BOOL',
};

const shown = (name: string): string => name.replaceAll('_', '');
