import { err, nearest, ok, type Result } from '@xebec/core';
import type { BinaryOperator, Node } from './ast.ts';
import { FUNCTIONS, type FunctionSignature } from './functions.ts';
import { internName } from './global-dictionary.ts';
import { normalDnsName, normalEmail, normalUri } from './name-types.ts';
import { parseExpression } from './parser.ts';
import type { ExpressionProblem } from './problem.ts';
import type { ReferenceTracker } from './references.ts';
import { normalIp, parseDurationNs } from './text-types.ts';
import { type AttributeBag, FORM_OF, type Value, type ValueType } from './value.ts';
import type { Vocabulary } from './vocabulary.ts';

/** Why an evaluation has no value. */
export interface EvaluationFailure {
  readonly message: string;
}

export interface CompiledExpression {
  readonly text: string;
  readonly type: ValueType;
  evaluate(bag: AttributeBag, tracker?: ReferenceTracker): Result<Value, EvaluationFailure>;
}

interface Run {
  bag: AttributeBag;
  tracker: ReferenceTracker | undefined;
  failure: EvaluationFailure | undefined;
}
const NOTHING: AttributeBag = new Map();
/** Undefined means that `run.failure` says why. */
type Closure = (run: Run) => Value | undefined;
interface Typed {
  readonly type: ValueType;
  readonly run: Closure;
  /** The same on the left of `|`, of what may be absent: undefined without a failure where it is. */
  readonly attempt?: Closure;
}

class CheckFailure extends Error {
  readonly problem: ExpressionProblem;
  constructor(problem: ExpressionProblem) {
    super(problem.message);
    this.problem = problem;
  }
}

const fail = (column: number, message: string, suggestion?: string): never => {
  const hint = suggestion === undefined ? '' : `; did you mean "${suggestion}"?`;
  throw new CheckFailure({ column, message: `${message}${hint}`, ...(suggestion === undefined ? {} : { suggestion }) });
};

/** Parses, checks and compiles an expression; `expected` is the type that its place wants, when there is one. */
export function compileExpression(
  text: string,
  vocabulary: Vocabulary,
  expected?: ValueType,
): Result<CompiledExpression, ExpressionProblem> {
  const parsed = parseExpression(text);
  if (!parsed.ok) return parsed;
  try {
    const { type, run } = check(parsed.value, vocabulary, expected);
    if (expected !== undefined && type !== expected) {
      return err({ column: 1, message: `the expression is of type ${type}, but ${expected} is expected here` });
    }
    return ok(new Expression(text, type, run));
  } catch (error) {
    if (error instanceof CheckFailure) return err(error.problem);
    throw error;
  }
}

/** Evaluation never calls itself from outside, so one state per expression serves all its runs. */
class Expression implements CompiledExpression {
  readonly text: string;
  readonly type: ValueType;
  readonly #run: Closure;
  readonly #state: Run = { bag: NOTHING, tracker: undefined, failure: undefined };

  constructor(text: string, type: ValueType, run: Closure) {
    this.text = text;
    this.type = type;
    this.#run = run;
  }
  evaluate(bag: AttributeBag, tracker?: ReferenceTracker): Result<Value, EvaluationFailure> {
    const state = this.#state;
    state.bag = bag;
    state.tracker = tracker;
    state.failure = undefined;
    const value = this.#run(state);
    return value === undefined ? err(state.failure ?? { message: 'no value' }) : ok(value);
  }
}

/** `wanted` turns string literals into durations where one is wanted: `response.duration > "10ms"`. */
function check(node: Node, vocabulary: Vocabulary, wanted?: ValueType): Typed {
  switch (node.kind) {
    case 'string': {
      const ns = wanted === 'DURATION' ? parseDurationNs(node.value) : undefined;
      return ns === undefined ? constant('STRING', node.value) : constant('DURATION', ns);
    }
    case 'int':
      return constant('INT64', node.value);
    case 'double':
      return constant('DOUBLE', node.value);
    case 'bool':
      return constant('BOOL', node.value);
    case 'attribute':
      return attribute(node.name, node.column, vocabulary);
    case 'not': {
      const operand = expect(check(node.operand, vocabulary), 'BOOL', node.operand.column, 'operand of !');
      return { type: 'BOOL', run: mapValue(operand.run, (value) => value !== true) };
    }
    case 'conditional':
      return conditional(node.test, node.then, node.otherwise, node.column, vocabulary, wanted);
    case 'index':
      return index(node.map, node.key, vocabulary);
    case 'call':
      return call(node, vocabulary, wanted);
    case 'binary':
      return binary(node.operator, node.left, node.right, node.column, vocabulary, wanted);
  }
}

function constant(type: ValueType, value: Value): Typed {
  return { type, run: () => value };
}

function mapValue(run: Closure, change: (value: Value) => Value): Closure {
  return (state) => {
    const value = run(state);
    return value === undefined ? undefined : change(value);
  };
}

function expect(typed: Typed, type: ValueType, column: number, what: string): Typed {
  return typed.type === type ? typed : fail(column, `${what} must be ${type}, but is ${typed.type}`);
}

function attribute(written: string, column: number, vocabulary: Vocabulary): Typed {
  const name = internName(written);
  const type = vocabulary.get(name);
  if (type === undefined) return fail(column, `unknown attribute "${name}"`, nearest(name, vocabulary.keys()));
  const form = FORM_OF[type];
  const absent: EvaluationFailure = { message: `attribute "${name}" is absent` };
  const attempt: Closure = (state) => {
    const found = state.bag.get(name);
    state.tracker?.record(name, undefined, found !== undefined);
    if (found === undefined) return undefined;
    if (found.form !== form) {
      state.failure = { message: `attribute "${name}" came as ${found.form}, but its type is ${type}` };
      return undefined;
    }
    return found.form === 'bytes' ? normalIp(found.value) : found.value;
  };
  return { type, attempt, run: orFail(attempt, absent) };
}

/** An attempt whose absence is a failure. */
function orFail(attempt: Closure, absent: EvaluationFailure): Closure {
  return (state) => {
    const value = attempt(state);
    if (value === undefined) state.failure ??= absent;
    return value;
  };
}

/** An entry of a map: absent on the left of `|`, else empty where the map has no such key, as in release 1.4. */
function index(map: Node, keyNode: Node, vocabulary: Vocabulary): Typed {
  const key = expect(check(keyNode, vocabulary), 'STRING', keyNode.column, 'the key of a map');
  const container = expect(check(map, vocabulary), 'STRING_MAP', map.column, 'what stands before [');
  const name = map.kind === 'attribute' ? internName(map.name) : undefined;
  // Of an attribute one entry counts as read, not the whole map: answers stay cacheable.
  const entriesOf =
    name === undefined
      ? (container.attempt ?? container.run)
      : (state: Run) => {
          const found = state.bag.get(name);
          if (found === undefined) state.tracker?.record(name, undefined, false);
          else if (found.form !== 'stringMap')
            state.failure = { message: `attribute "${name}" came as ${found.form}, but its type is STRING_MAP` };
          else return found.value;
          return undefined;
        };
  const entryOf = (state: Run, entries: Value | undefined, keyText: Value | undefined): string | undefined => {
    if (!(entries instanceof Map) || typeof keyText !== 'string') return undefined;
    const value: unknown = entries.get(keyText); // of a StringMap
    if (name !== undefined) state.tracker?.record(name, keyText, value !== undefined);
    return typeof value === 'string' ? value : undefined;
  };
  const keyAttempt = key.attempt ?? key.run;
  const absent: EvaluationFailure = { message: `${name === undefined ? 'the map' : `attribute "${name}"`} is absent` };
  const entries = orFail(entriesOf, absent);
  return {
    type: 'STRING',
    attempt: (state) => {
      const map = entriesOf(state);
      return map === undefined ? undefined : entryOf(state, map, keyAttempt(state));
    },
    run: (state) => {
      const map = entries(state);
      const keyText = map === undefined ? undefined : key.run(state);
      return keyText === undefined ? undefined : (entryOf(state, map, keyText) ?? '');
    },
  };
}

function conditional(testNode: Node, a: Node, b: Node, column: number, vocabulary: Vocabulary, wanted: ValueType | undefined): Typed {
  const test = expect(check(testNode, vocabulary), 'BOOL', testNode.column, 'the condition');
  const [then, otherwise] = both(a, b, vocabulary, wanted);
  if (then.type !== otherwise.type) return fail(column, `both outcomes must have one type, but are ${then.type} and ${otherwise.type}`);
  return {
    type: then.type,
    run: (state) => {
      const outcome = test.run(state);
      return outcome === undefined ? undefined : (outcome === true ? then : otherwise).run(state);
    },
  };
}

/** Checks two operands of one type: a string literal beside a duration is a duration. */
function both(left: Node, right: Node, vocabulary: Vocabulary, wanted?: ValueType): [Typed, Typed] {
  const a = check(left, vocabulary, wanted);
  const b = check(right, vocabulary, a.type === 'DURATION' ? 'DURATION' : wanted);
  if (a.type !== b.type && b.type === 'DURATION') return [check(left, vocabulary, 'DURATION'), b];
  return [a, b];
}

function call(node: Node & { kind: 'call' }, vocabulary: Vocabulary, wanted: ValueType | undefined): Typed {
  const { name, column } = node;
  if (name === 'conditional' && node.target === undefined) {
    const [test, a, b] = node.args;
    if (test === undefined || a === undefined || b === undefined || node.args.length > 3) {
      return fail(column, `conditional takes 3 arguments, but got ${node.args.length}`);
    }
    return conditional(test, a, b, column, vocabulary, wanted);
  }
  const overloads = FUNCTIONS.get(name);
  if (overloads === undefined) return fail(column, `unknown function "${name}"`, nearest(name, [...FUNCTIONS.keys(), 'conditional']));
  const wantsTarget = overloads[0]?.target !== undefined;
  if (wantsTarget !== (node.target !== undefined)) {
    return fail(
      column,
      wantsTarget ? `${name} stands after a value: "text".${name}(…)` : `${name} does not stand after a value: write ${name}(…)`,
    );
  }
  const nodes = node.target === undefined ? node.args : [node.target, ...node.args];
  const args = nodes.map((arg) => check(arg, vocabulary));
  const types = (signature: FunctionSignature) => [...(signature.target === undefined ? [] : [signature.target]), ...signature.args];
  const first = overloads[0];
  if (first !== undefined && first.args.length !== node.args.length) {
    return fail(column, `${name} takes ${first.args.length} argument${first.args.length === 1 ? '' : 's'}, but got ${node.args.length}`);
  }
  const signature = overloads.find((candidate) => types(candidate).every((type, i) => args[i]?.type === type));
  if (signature === undefined) {
    const expected = overloads.map((candidate) => `${name}(${types(candidate).join(', ')})`).join(' or ');
    return fail(column, `expected ${expected}, but got ${name}(${args.map(({ type }) => type).join(', ')})`);
  }
  for (const [i, arg] of nodes.entries()) {
    const complaint = arg.kind === 'string' ? signature.checkLiteral?.(i, arg.value) : undefined;
    if (complaint !== undefined) return fail(arg.column, complaint);
  }
  return {
    type: signature.returns,
    run: (state) => {
      const values: Value[] = [];
      for (const arg of args) {
        const value = arg.run(state);
        if (value === undefined) return undefined;
        values.push(value);
      }
      return signature.apply(values, (message) => {
        state.failure = { message: `${name}: ${message}` };
      });
    },
  };
}

const TEXTS = ['STRING', 'EMAIL_ADDRESS', 'URI', 'DNS_NAME'] as const;
const ORDERED: ReadonlySet<ValueType> = new Set([...TEXTS, 'INT64', 'DOUBLE', 'TIMESTAMP', 'DURATION']);
const ADDED: ReadonlySet<ValueType> = new Set([...TEXTS, 'INT64', 'DOUBLE', 'DURATION']);

function binary(operator: BinaryOperator, left: Node, right: Node, column: number, vocabulary: Vocabulary, wanted?: ValueType): Typed {
  if (operator === '&&' || operator === '||') {
    const a = expect(check(left, vocabulary), 'BOOL', left.column, `the left side of ${operator}`);
    const b = expect(check(right, vocabulary), 'BOOL', right.column, `the right side of ${operator}`);
    const decisive = operator === '||';
    return {
      type: 'BOOL',
      run: (state) => {
        const value = a.run(state);
        return value === undefined || value === decisive ? value : b.run(state);
      },
    };
  }
  const [a, b] = both(left, right, vocabulary, operator === '|' || operator === '+' ? wanted : undefined);
  if (a.type !== b.type) return fail(column, `both sides of ${operator} must have one type, but are ${a.type} and ${b.type}`);
  if (operator === '|') {
    const [first, last] = [a.attempt ?? a.run, b.attempt ?? b.run];
    const or =
      (second: Closure): Closure =>
      (state) => {
        const value = first(state);
        return value !== undefined || state.failure !== undefined ? value : second(state);
      };
    return { type: a.type, run: or(b.run), attempt: or(last) };
  }
  const equality = operator === '==' || operator === '!=';
  if (operator === '+' ? !ADDED.has(a.type) : !equality && !ORDERED.has(a.type))
    return fail(column, `${operator} is not defined for ${a.type}`);
  const normal = equality ? NORMAL_NAME[a.type] : undefined;
  const apply = normal === undefined ? OPERATIONS[operator] : sameName(normal, operator === '!=');
  return {
    type: operator === '+' ? a.type : 'BOOL',
    run: (state) => {
      const x = a.run(state);
      if (x === undefined) return undefined;
      const y = b.run(state);
      return y === undefined ? undefined : apply(x, y, state);
    },
  };
}

const NORMAL_NAME: Readonly<Partial<Record<ValueType, (name: string) => string | undefined>>> = {
  DNS_NAME: normalDnsName,
  EMAIL_ADDRESS: normalEmail,
  URI: normalUri,
};

/** Names are equal by meaning; what came as an attribute may be no name at all. */
function sameName(normal: (name: string) => string | undefined, not: boolean) {
  return (x: Value, y: Value, state: Run): Value | undefined => {
    const [one, other] = [normal(String(x)), normal(String(y))];
    if (one !== undefined && other !== undefined) return (one === other) !== not;
    state.failure = { message: `${JSON.stringify(x)} and ${JSON.stringify(y)} cannot be compared` };
    return undefined;
  };
}

const OPERATIONS: Readonly<Record<Exclude<BinaryOperator, '&&' | '||' | '|'>, (x: Value, y: Value) => Value>> = {
  '==': equal,
  '!=': (x, y) => !equal(x, y),
  '<': (x, y) => x < y,
  '<=': (x, y) => x <= y,
  '>': (x, y) => x > y,
  '>=': (x, y) => x >= y,
  '+': (x, y) => {
    if (typeof x === 'bigint' && typeof y === 'bigint') return BigInt.asIntN(64, x + y);
    return typeof x === 'number' && typeof y === 'number' ? x + y : `${String(x)}${String(y)}`;
  },
};

function equal(x: Value, y: Value): boolean {
  if (x instanceof Uint8Array && y instanceof Uint8Array) return x.length === y.length && x.every((byte, i) => byte === y[i]);
  if (x instanceof Map && y instanceof Map) return x.size === y.size && [...x].every(([key, value]) => y.get(key) === value);
  return x === y;
}
