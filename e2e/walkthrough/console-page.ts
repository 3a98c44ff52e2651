/** One command of a page and what it prints. */
export interface ConsoleStep {
  readonly line: number;
  readonly command: string;
  /** Lines as the page shows them; `…` stands for anything. */
  readonly expected: readonly string[];
}

/** Objects that a page shows. */
export interface ObjectsBlock {
  readonly line: number;
  readonly yaml: string;
}

export interface ConsoleSection {
  readonly title: string;
  readonly steps: readonly ConsoleStep[];
}

/** The ```console blocks of a Markdown page, by `##` section. A command starts with `$ ` and takes its here-document along. */
export function parseConsolePage(markdown: string): ConsoleSection[] {
  const sections: { title: string; steps: ConsoleStep[] }[] = [{ title: 'start', steps: [] }];
  const lines = markdown.split('\n');
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] ?? '';
    if (line.startsWith('## ')) sections.push({ title: line.slice(3), steps: [] });
    if (line !== '```console') continue;
    const end = lines.indexOf('```', i + 1);
    sections.at(-1)?.steps.push(...parseBlock(lines.slice(i + 1, end), i + 2));
    i = end;
  }
  return sections.filter((section) => section.steps.length > 0);
}

/** The ```yaml blocks of a Markdown page that are whole objects; what begins otherwise is a part of something. */
export function parseObjects(markdown: string): ObjectsBlock[] {
  const blocks = markdown.matchAll(/^```yaml\n(apiVersion:[\s\S]*?)^```$/gm);
  return [...blocks].map(({ index, 1: yaml = '' }) => ({ line: markdown.slice(0, index).split('\n').length + 1, yaml }));
}

function parseBlock(lines: readonly string[], firstLine: number): ConsoleStep[] {
  const steps: ConsoleStep[] = [];
  for (let i = 0; i < lines.length; i++) {
    const start = lines[i] ?? '';
    if (!start.startsWith('$ ')) throw new Error(`line ${firstLine + i}: output without a command: ${start}`);
    const line = firstLine + i;
    const command = [start.slice(2)];
    const terminator = /<<'?(\w+)'?/.exec(start)?.[1];
    if (terminator !== undefined)
      do command.push(lines[++i] ?? '');
      while (lines[i] !== terminator && i < lines.length);
    const expected: string[] = [];
    while (i + 1 < lines.length && !(lines[i + 1] ?? '').startsWith('$ ')) expected.push(lines[++i] ?? '');
    steps.push({ line, command: command.join('\n'), expected });
  }
  return steps;
}

/** Whether what was printed is what the page shows, line by line; trailing blanks and empty lines do not count. */
export function outputMatches(expected: readonly string[], actual: string): boolean {
  const clean = (lines: readonly string[]) => lines.map((line) => line.trimEnd()).filter((line) => line !== '');
  const wanted = clean(expected);
  const seen = clean(actual.split('\n'));
  return wanted.length === seen.length && wanted.every((line, index) => lineMatches(line, seen[index] ?? ''));
}

function lineMatches(pattern: string, line: string): boolean {
  const escaped = pattern.split('…').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll(/ {2,}/g, ' +'));
  return new RegExp(`^${escaped.join('.*')}$`).test(line);
}

/** Commands that change something run once; all others are asked again until they show what the page shows. */
export function isChange(command: string): boolean {
  return (
    /(^|\| |; |npx )(kubectl|xebec) (-\S+ \S+ )?(apply|create|delete|patch|replace|label|annotate|scale|rollout|wait|config rollback)\b/.test(
      command,
    ) || /^(export |\w+=)|&$/.test(command)
  );
}
