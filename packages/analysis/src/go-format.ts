export type FormatArgument = string | number | readonly string[] | readonly number[];

/** Fills a template with Go's verbs: `%s` and `%v` plain (lists in brackets), `%d` numbers, `%q` quoted. */
export function formatGo(template: string, values: readonly FormatArgument[]): string {
  let next = 0;
  return template.replace(/%([svdq%])/g, (_verb, verb: string) => {
    if (verb === '%') return '%';
    const value = values[next++];
    if (value === undefined) return `%!${verb}(MISSING)`;
    return verb === 'q' ? quoted(value) : plain(value);
  });
}

function plain(value: FormatArgument): string {
  return typeof value === 'object' ? `[${value.join(' ')}]` : String(value);
}

function quoted(value: FormatArgument): string {
  return typeof value === 'object' ? `[${value.map((one) => JSON.stringify(String(one))).join(' ')}]` : JSON.stringify(String(value));
}
