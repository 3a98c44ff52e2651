import { type CelInput, celEnv, isCelError, parse, plan } from '@bufbuild/cel';
import { errorText, XebecError } from '@xebec/core';
import type { FormatContext } from '../format/context.ts';
import { type CelSurroundings, StreamAttributes } from './attributes.ts';

type Value = string | number | boolean | undefined;

/** Names that some filter may have left; every other root is an attribute or unknown. */
const asked = new Set(['toJSON', 'then', 'constructor', 'left']);

/**
 * Compiles any CEL expression over a stream's attributes. Throws XebecError `E_CEL` when the text is no CEL. An evaluation that
 * fails, for instance because an attribute is absent, gives undefined; whole numbers come as numbers, lists and maps as undefined.
 */
export function compileCel(source: string, surroundings: CelSurroundings): (context: FormatContext) => Value {
  const evaluate = planned(source);
  return (context) => {
    const attributes = new StreamAttributes(context, surroundings);
    const bindings = new Proxy<Record<string, CelInput>>(Object.create(null), {
      get(_, name) {
        if (typeof name !== 'string' || asked.has(name)) return undefined;
        return name in attributes ? Reflect.get(attributes, name, attributes) : attributes.left(name);
      },
    });
    return scalar(evaluate(bindings));
  };
}

function planned(source: string): (bindings: Record<string, CelInput>) => unknown {
  try {
    return plan(celEnv(), parse(source));
  } catch (cause) {
    throw new XebecError('E_CEL', `condition "${source}": ${errorText(cause)}`, { cause });
  }
}

function scalar(value: unknown): Value {
  if (isCelError(value)) return undefined;
  if (typeof value === 'bigint') return Number(value);
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : undefined;
}
