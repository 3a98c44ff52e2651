import type { DifferentialFamily } from './family.ts';

const LONGEST_VALUE = 160;

/** `docs/reference/envoy-differences.md`, from the tables of known differences. */
export function differencesPage(introduction: string, families: readonly DifferentialFamily[]): string {
  const parts = [introduction.trimEnd(), ''];
  for (const { name, about, known } of families) {
    const entries = Object.entries(known ?? {});
    if (entries.length === 0) continue;
    parts.push(
      `## ${name}`,
      '',
      `${about[0]?.toUpperCase()}${about.slice(1)}.`,
      '',
      '| case | what differs | Envoy | Xebec | why |',
      '|---|---|---|---|---|',
    );
    for (const [title, { why, differs }] of entries)
      for (const [path, [envoy, xebec]] of Object.entries(differs))
        parts.push(`| ${cell(title)} | ${cell(path)} | ${value(envoy)} | ${value(xebec)} | ${cell(why)} |`);
    parts.push('');
  }
  return parts.join('\n');
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}

function value(of: unknown): string {
  if (of === null) return 'nothing';
  const text = typeof of === 'string' ? of : JSON.stringify(of);
  if (text === '') return 'empty';
  const printable = visible(text.replaceAll(/[\r\n\t`]/g, ' '));
  return `\`${cell(printable.length > LONGEST_VALUE ? `${printable.slice(0, LONGEST_VALUE)}…` : printable)}\``;
}

/** Control characters by their number: the page is text. */
function visible(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
