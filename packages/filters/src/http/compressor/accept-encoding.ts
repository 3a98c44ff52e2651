/** Why an encoding was chosen, or none. Each is counted. */
export type Decision =
  | { readonly kind: 'identity' | 'not-valid' }
  | { readonly kind: 'compressor' | 'wildcard'; readonly encoding: string };

/** One compressor of the chain that would compress this response, in the order of the configuration. */
export interface Candidate {
  readonly encoding: string;
  readonly chooseFirst: boolean;
}

/**
 * Which of the candidates a client wants most (RFC 9110 section 12.5.3, as Envoy reads it): the highest q-value; at equal
 * values the first that the client names, unless a candidate says `choose_first`.
 */
export function chooseEncoding(acceptEncoding: string, candidates: readonly Candidate[]): Decision {
  const wanted: { name: string; q: number }[] = [];
  // Envoy takes encodings in lower case only.
  for (const token of acceptEncoding.split(',')) {
    const [name = '', ...parameters] = token.split(';');
    const q = qualityOf(parameters);
    if (q !== undefined) wanted.push({ name: name.trim(), q });
  }
  const first = candidates.find(({ chooseFirst }) => chooseFirst);
  if (first !== undefined) {
    const best = Math.max(0, ...wanted.filter(({ name }) => candidates.some(({ encoding }) => encoding === name)).map(({ q }) => q));
    const preferred = candidates.find(
      ({ encoding, chooseFirst }) => chooseFirst && wanted.some(({ name, q }) => name === encoding && q > 0 && q >= best),
    );
    if (preferred !== undefined) return { kind: 'compressor', encoding: preferred.encoding };
  }
  let choice = { name: 'identity', q: 0 };
  for (const entry of wanted) {
    const usable = entry.name === 'identity' || entry.name === '*' || candidates.some(({ encoding }) => encoding === entry.name);
    if (usable && entry.q > choice.q) choice = entry;
  }
  if (choice.q === 0) return { kind: 'not-valid' };
  if (choice.name === 'identity') return { kind: 'identity' };
  if (choice.name !== '*') return { kind: 'compressor', encoding: choice.name };
  return candidates[0] === undefined ? { kind: 'not-valid' } : { kind: 'wildcard', encoding: candidates[0].encoding };
}

/** 1 without a `q`; undefined drops the token, whose value is not a number. */
function qualityOf(parameters: readonly string[]): number | undefined {
  for (const parameter of parameters) {
    const [key = '', value = ''] = parameter.split('=');
    if (key.trim().toLowerCase() !== 'q') continue;
    const q = Number(value.trim());
    return value.trim() === '' || Number.isNaN(q) ? undefined : q;
  }
  return 1;
}
