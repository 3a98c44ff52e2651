import { type CelInput, celEnv, isCelError, parse, plan } from '@bufbuild/cel';
import { err, errorText, nearest, ok, type Result } from '@xebec/core';
import { RE2JS } from 're2js';

const MAX_LENGTH = 10_000;

/** What expressions may read, and nothing else. */
const FIELDS = {
  subject: ['user', 'groups', 'properties'],
  action: ['namespace', 'service', 'method', 'path', 'properties'],
} as const;

/** One request, as expressions see it. Text that the instance leaves out is empty. */
export interface PolicyInput {
  readonly subject: { readonly user: string; readonly groups: readonly string[]; readonly properties: ReadonlyMap<string, CelInput> };
  readonly action: {
    readonly namespace: string;
    readonly service: string;
    readonly method: string;
    readonly path: string;
    readonly properties: ReadonlyMap<string, CelInput>;
  };
}

/** True or false; an error (a property that is not there, a value of another type) as text. */
export type PolicyExpression = (input: PolicyInput) => Result<boolean, string>;

/** Patterns are matched in linear time, whatever callers send. */
const environment = celEnv({
  re2: {
    compile: (pattern) => {
      const compiled = RE2JS.compile(pattern);
      return { test: (text) => compiled.matcher(text).find() };
    },
  },
});

/** Compiles a CEL condition; the error says what to write instead. */
export function compilePolicyExpression(text: string): Result<PolicyExpression, string> {
  if (/^\s*(package|import|default)\s+\S/m.test(text) || /:=|\ballow\s*(=\s*true\s*)?(if\s*)?\{/.test(text)) {
    return err(
      'this is Rego, which Mixer does not execute: write the condition in CEL, such as subject.user == "jane" && action.method == "GET"',
    );
  }
  if (text.trim() === '') return err('the expression is empty');
  if (text.length > MAX_LENGTH) return err(`the expression is longer than ${MAX_LENGTH} characters`);
  let evaluate: (context: Record<string, CelInput>) => unknown;
  try {
    const { expr } = parse(text);
    const problem = unknownName(expr, new Set());
    if (problem !== undefined) return err(problem);
    evaluate = plan(environment, expr);
  } catch (error) {
    return err(`this is no CEL expression: ${errorText(error).replace(/^<input>:/, 'line ')}`);
  }
  const run: PolicyExpression = ({ subject, action }) => {
    const result = evaluate({ subject: { ...subject }, action: { ...action } } as Record<string, CelInput>); // an interface has no index
    if (isCelError(result)) return err(result.message);
    return typeof result === 'boolean' ? ok(result) : err('the value is not true or false');
  };
  // What is wrong whatever is asked shows without a request.
  const trial = run({
    subject: { user: '', groups: [], properties: new Map() },
    action: { namespace: '', service: '', method: '', path: '', properties: new Map() },
  });
  if (!trial.ok && /unbound function|not true or false/.test(trial.error)) return err(trial.error);
  return ok(run);
}

type Expr = ReturnType<typeof parse>['expr'];

/** A name that no request has, anywhere in the expression. */
function unknownName(expr: Expr | undefined, local: ReadonlySet<string>): string | undefined {
  const first = (parts: readonly (Expr | undefined)[], names = local): string | undefined => {
    for (const part of parts) {
      const problem = unknownName(part, names);
      if (problem !== undefined) return problem;
    }
    return undefined;
  };
  const kind = expr?.exprKind;
  switch (kind?.case) {
    case 'identExpr': {
      const { name } = kind.value;
      const known = local.has(name) || name in FIELDS || TYPES.has(name);
      return known ? undefined : `there is no "${name}"; conditions read subject and action${hint(name, Object.keys(FIELDS))}`;
    }
    case 'selectExpr': {
      const { operand, field } = kind.value;
      const base = operand?.exprKind.case === 'identExpr' ? operand.exprKind.value.name : '';
      const fields: readonly string[] | undefined = local.has(base)
        ? undefined
        : base === 'subject' || base === 'action'
          ? FIELDS[base]
          : undefined;
      if (fields !== undefined && !fields.includes(field)) return `${base} has no field "${field}"${hint(field, fields)}`;
      return unknownName(operand, local);
    }
    case 'callExpr':
      return first([kind.value.target, ...kind.value.args]);
    case 'listExpr':
      return first(kind.value.elements);
    case 'structExpr':
      return first(kind.value.entries.flatMap(({ keyKind, value }) => [keyKind.case === 'mapKey' ? keyKind.value : undefined, value]));
    case 'comprehensionExpr': {
      const { iterVar, accuVar, iterRange, accuInit, loopCondition, loopStep, result } = kind.value;
      return first([iterRange, accuInit]) ?? first([loopCondition, loopStep, result], new Set([...local, iterVar, accuVar]));
    }
    default:
      return undefined;
  }
}

/** Names of types, which CEL has as values. */
const TYPES = new Set(['int', 'uint', 'double', 'bool', 'string', 'bytes', 'list', 'map', 'type', 'null_type']);

function hint(name: string, known: readonly string[]): string {
  const suggestion = nearest(name, known);
  return suggestion === undefined ? `; it is one of ${known.join(', ')}` : `; did you mean "${suggestion}"?`;
}
