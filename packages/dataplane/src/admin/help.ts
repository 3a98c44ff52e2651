/** What `/help` says of a path, Envoy's words where Envoy has it. */
export interface AdminHelp {
  readonly path: string;
  readonly help: string;
  readonly mutates: boolean;
  /** A page that Envoy has not: `/help`, which tools compare and read, leaves it out; the home page shows it. */
  readonly own?: boolean;
  readonly parameters: readonly (readonly [name: string, help: string])[];
}

/** The list that `/help` and an unknown path answer. */
export function helpText(entries: readonly AdminHelp[]): string {
  let text = 'admin commands are:\n';
  for (const { path, help, mutates, parameters } of entries.filter(({ own }) => own !== true).sort((a, b) => (a.path < b.path ? -1 : 1))) {
    text += `  ${path}${mutates ? ' (POST)' : ''}: ${help}\n`;
    for (const [name, meaning] of parameters) text += `      ${name}: ${meaning}\n`;
  }
  return text;
}

const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');

/** The page at `/`: links for what is read, forms for what is posted; by keyboard, in light and dark. */
export function homePage(entries: readonly AdminHelp[], version: string): string {
  const rows = [...entries]
    .filter(({ path }) => path !== '/')
    .sort((a, b) => (a.path < b.path ? -1 : 1))
    .map(({ path, help, mutates, parameters }) => {
      const fields = parameters
        .map(([name, meaning]) => `<label>${escaped(name)} <input name="${escaped(name)}" title="${escaped(meaning)}"></label>`)
        .join(' ');
      const form = `<form action="${path}" method="${mutates ? 'post' : 'get'}">${fields} <button>${path.slice(1)}</button></form>`;
      const name = mutates || parameters.length > 0 ? form : `<a href="${path}">${path.slice(1)}</a>`;
      return `<tr><td>${name}</td><td>${escaped(help)}</td></tr>`;
    });
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>xebec ${escaped(version)}: admin</title>
<meta name="viewport" content="width=device-width">
<style>
:root { color-scheme: light dark; font: 1rem/1.4 system-ui, sans-serif }
body { margin: 1rem auto; max-width: 70rem; padding: 0 1rem }
td { padding: .3rem .6rem; vertical-align: top; border-top: 1px solid color-mix(in srgb, currentColor 25%, transparent) }
:focus-visible { outline: 3px solid Highlight; outline-offset: 2px }
input { width: 9rem }
</style>
<h1>xebec ${escaped(version)}</h1>
<table>
<thead><tr><th>Command</th><th>Description</th></tr></thead>
<tbody>
${rows.join('\n')}
</tbody>
</table>
</html>
`;
}
