import { XebecError } from '@xebec/core';
import type { CelSurroundings } from '../cel/attributes.ts';
import { compileCel } from '../cel/expression.ts';
import type { FormatContext } from '../format/context.ts';
import { responseFlagsText } from '../response-flags.ts';

type Value = string | number | boolean | undefined;
type Expression = (context: FormatContext) => Value;

const tokenPattern =
  /\s*(?:(?<number>\d+(?:\.\d+)?)|(?<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?<name>[a-zA-Z_]\w*)|(?<sign>&&|\|\||[=!<>]=|[<>!().[\],-]))/y;

const maxLength = 4096;
const maxDepth = 32;

/**
 * Compiles a logging condition in CEL. What Istio's Telemetry examples use is compiled here, because it runs for every request:
 * comparisons, `&&`, `||`, `!`, parentheses, numbers, texts, booleans, `has(x)`, `x.startsWith/endsWith/contains(y)`,
 * `request.headers['n']` and the attributes listed in this file. The rest of the language costs more. Throws XebecError `E_CEL`
 * saying where it stopped. An absent value makes a condition false.
 */
export function compileCondition(source: string): (context: FormatContext) => boolean {
  const expression = compileValueExpression(source);
  return (context) => expression(context) === true;
}

/** The same language for values, such as metric dimensions: `request.host`. Undefined is an absent value. */
export function compileValueExpression(
  source: string,
  surroundings: CelSurroundings = {},
): (context: FormatContext) => string | number | boolean | undefined {
  if (source.length > maxLength) throw new XebecError('E_CEL', `expression is longer than ${maxLength} characters`);
  try {
    return new Parser(source).parse();
  } catch (error) {
    if (!(error instanceof XebecError)) throw error;
    return compileCel(source, surroundings);
  }
}

const headerOf = (headers: readonly string[] | undefined, name: string): string | undefined => {
  if (headers === undefined) return undefined;
  let joined: string | undefined;
  for (let i = 0; i < headers.length; i += 2)
    if (headers[i] === name) joined = joined === undefined ? headers[i + 1] : `${joined},${headers[i + 1]}`;
  return joined;
};

const attributes: Readonly<Record<string, Expression>> = {
  'request.path': ({ request }) => request?.path,
  'request.url_path': ({ request }) => request?.path.split('?')[0],
  'request.host': ({ request }) => request?.authority,
  'request.scheme': ({ request }) => request?.scheme,
  'request.method': ({ request }) => request?.method,
  'request.protocol': ({ info }) => info.protocol,
  'request.useragent': ({ request }) => headerOf(request?.headers, 'user-agent'),
  'request.referer': ({ request }) => headerOf(request?.headers, 'referer'),
  'request.id': ({ request }) => headerOf(request?.headers, 'x-request-id'),
  'request.size': ({ info }) => info.bytesReceived,
  'response.code': ({ info }) => info.responseCode,
  'response.code_details': ({ info }) => info.responseCodeDetails,
  'response.flags': ({ info }) => responseFlagsText(info.responseFlags),
  'response.size': ({ info }) => info.bytesSent,
  'response.grpc_status': ({ response, responseTrailers }) => {
    const text = headerOf(responseTrailers, 'grpc-status') ?? headerOf(response?.headers, 'grpc-status');
    return text === undefined ? undefined : Number(text);
  },
  'source.address': ({ info }) => `${info.connection.remoteAddress}:${info.connection.remotePort}`,
  'source.port': ({ info }) => info.connection.remotePort,
  'destination.address': ({ info }) => `${info.connection.localAddress}:${info.connection.localPort}`,
  'destination.port': ({ info }) => info.connection.localPort,
  'connection.mtls': ({ info }) => info.connection.tls?.peer !== undefined,
  'connection.requested_server_name': ({ info }) => info.connection.requestedServerName,
  'connection.termination_details': ({ info }) => info.connectionTerminationDetails || undefined,
  'upstream.address': ({ info }) => info.upstreamHost || undefined,
  'upstream.transport_failure_reason': ({ info }) => info.upstreamTransportFailureReason || undefined,
  'xds.cluster_name': ({ info }) => info.upstreamCluster,
  'xds.route_name': ({ info }) => info.routeName,
  'xds.filter_chain_name': ({ info }) => info.connection.filterChainName,
};

const indexed: Readonly<Record<string, (context: FormatContext, key: string) => Value>> = {
  'request.headers': ({ request }, key) => (key === ':authority' ? request?.authority : headerOf(request?.headers, key)),
  'response.headers': ({ response }, key) => headerOf(response?.headers, key),
  'response.trailers': ({ responseTrailers }, key) => headerOf(responseTrailers, key),
};

const methods: Readonly<Record<string, (text: string, argument: string) => boolean>> = {
  startsWith: (text, argument) => text.startsWith(argument),
  endsWith: (text, argument) => text.endsWith(argument),
  contains: (text, argument) => text.includes(argument),
};

interface Token {
  readonly kind: 'number' | 'text' | 'name' | 'sign';
  readonly text: string;
  readonly at: number;
}

class Parser {
  readonly #source: string;
  readonly #tokens: Token[] = [];
  #next = 0;
  #depth = 0;

  constructor(source: string) {
    this.#source = source;
    const trimmed = source.trimEnd();
    tokenPattern.lastIndex = 0;
    while (tokenPattern.lastIndex < trimmed.length) {
      const at = tokenPattern.lastIndex;
      const groups = tokenPattern.exec(trimmed)?.groups;
      if (groups === undefined) throw this.#error(at, 'is not understood');
      const { number, text, name, sign } = groups;
      if (number !== undefined) this.#tokens.push({ kind: 'number', text: number, at });
      else if (text !== undefined) this.#tokens.push({ kind: 'text', text: text.slice(1, -1).replaceAll(/\\(.)/g, '$1'), at });
      else if (name !== undefined) this.#tokens.push({ kind: 'name', text: name, at });
      else this.#tokens.push({ kind: 'sign', text: sign ?? '', at });
    }
  }
  parse(): Expression {
    const expression = this.#or();
    const rest = this.#tokens[this.#next];
    if (rest !== undefined) throw this.#error(rest.at, 'is not expected here');
    return expression;
  }
  #error(at: number, what: string): XebecError {
    return new XebecError('E_CEL', `condition "${this.#source}": "${this.#source.slice(at, at + 20).trim()}" at position ${at} ${what}`);
  }
  #sign(text: string): boolean {
    const token = this.#tokens[this.#next];
    if (token?.kind !== 'sign' || token.text !== text) return false;
    this.#next++;
    return true;
  }
  #expect(text: string): void {
    if (!this.#sign(text)) throw this.#error(this.#tokens[this.#next]?.at ?? this.#source.length, `should be "${text}"`);
  }
  #or(): Expression {
    if (++this.#depth > maxDepth) throw this.#error(0, 'is nested too deep');
    let left = this.#and();
    while (this.#sign('||')) {
      const [a, b] = [left, this.#and()];
      left = (context) => either(true, a(context), () => b(context));
    }
    this.#depth--;
    return left;
  }
  #and(): Expression {
    let left = this.#comparison();
    while (this.#sign('&&')) {
      const [a, b] = [left, this.#comparison()];
      left = (context) => either(false, a(context), () => b(context));
    }
    return left;
  }
  #comparison(): Expression {
    const a = this.#unary();
    const token = this.#tokens[this.#next];
    if (token?.kind !== 'sign' || !['==', '!=', '<', '<=', '>', '>='].includes(token.text)) return a;
    this.#next++;
    const b = this.#unary();
    return (context) => compare(token.text, a(context), b(context));
  }
  #unary(): Expression {
    if (this.#sign('!')) {
      if (++this.#depth > maxDepth) throw this.#error(0, 'is nested too deep');
      const operand = this.#unary();
      this.#depth--;
      return (context) => {
        const value = operand(context);
        return value === undefined ? undefined : value !== true;
      };
    }
    if (this.#sign('-')) {
      const operand = this.#unary();
      return (context) => -Number(operand(context));
    }
    return this.#primary();
  }
  #primary(): Expression {
    if (this.#sign('(')) {
      const inner = this.#or();
      this.#expect(')');
      return inner;
    }
    const token = this.#tokens[this.#next++];
    if (token === undefined) throw this.#error(this.#source.length, 'is where something is missing');
    if (token.kind === 'number') return constant(Number(token.text));
    if (token.kind === 'text') return this.#methods(constant(token.text));
    if (token.kind !== 'name') throw this.#error(token.at, 'is not expected here');
    if (token.text === 'true' || token.text === 'false') return constant(token.text === 'true');
    if (token.text === 'has' && this.#sign('(')) {
      const operand = this.#or();
      this.#expect(')');
      return (context) => operand(context) !== undefined;
    }
    return this.#attribute(token);
  }
  #attribute(first: Token): Expression {
    this.#expect('.');
    const second = this.#tokens[this.#next++];
    const name = `${first.text}.${second?.text ?? ''}`;
    const read = Object.hasOwn(attributes, name) ? attributes[name] : undefined;
    if (read !== undefined) return this.#methods(read);
    const lookup = Object.hasOwn(indexed, name) ? indexed[name] : undefined;
    if (lookup === undefined) throw this.#error(first.at, 'is not an attribute that log conditions know');
    this.#expect('[');
    const key = this.#tokens[this.#next++];
    if (key?.kind !== 'text') throw this.#error(key?.at ?? this.#source.length, 'should be a quoted name');
    this.#expect(']');
    const lower = key.text.toLowerCase();
    return this.#methods((context) => lookup(context, lower));
  }
  #methods(operand: Expression): Expression {
    if (!this.#sign('.')) return operand;
    const token = this.#tokens[this.#next++];
    const method = token !== undefined && Object.hasOwn(methods, token.text) ? methods[token.text] : undefined;
    if (method === undefined) throw this.#error(token?.at ?? this.#source.length, 'is not a function that log conditions know');
    this.#expect('(');
    const argument = this.#or();
    this.#expect(')');
    return (context) => {
      const [text, other] = [operand(context), argument(context)];
      return typeof text === 'string' && typeof other === 'string' && method(text, other);
    };
  }
}

function constant(value: Value): Expression {
  return () => value;
}

/** `||` and `&&`: what decides alone decides; else what is not there leaves the whole open, and a log unwritten. */
function either(deciding: boolean, a: Value, other: () => Value): Value {
  if (a === deciding) return deciding;
  const b = other();
  if (b === deciding) return deciding;
  return a === undefined || b === undefined ? undefined : !deciding;
}

function compare(operator: string, a: Value, b: Value): Value {
  // CEL: there is nothing to compare with a key that is missing.
  if (a === undefined || b === undefined) return undefined;
  if (operator === '==') return a === b;
  if (operator === '!=') return a !== b;
  if (typeof a !== typeof b) return false;
  if (operator === '<') return a < b;
  if (operator === '<=') return a <= b;
  return operator === '>' ? a > b : a >= b;
}
