/** What expected failures return: a value, or everything that is wrong. */
export type Result<T, E = Violation[]> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: E };

/** One thing wrong with an input: where (`spec.http[0].route`), what, and the nearest right spelling where there is one. */
export interface Violation {
  readonly path: string;
  readonly message: string;
  readonly suggestion?: string;
}

export function ok<T>(value: T): { readonly ok: true; readonly value: T } {
  return { ok: true, value };
}

export function err<E>(error: E): { readonly ok: false; readonly error: E } {
  return { ok: false, error };
}
