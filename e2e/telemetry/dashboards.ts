import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Prometheus } from './prometheus.ts';

interface Variable {
  readonly name: string;
  readonly type: string;
  readonly definition?: string;
  readonly regex: string;
  readonly multi: boolean;
}

/** One query of one panel, with why it may have no answer. */
export interface PanelQuery {
  readonly dashboard: string;
  readonly panel: string;
  readonly expr: string;
  readonly emptyWhen: string | undefined;
}

export interface LoadedDashboard {
  readonly file: string;
  readonly variables: readonly Variable[];
  readonly queries: readonly PanelQuery[];
}

export function loadDashboards(folder: string): LoadedDashboard[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .map((file) => {
      const dashboard: {
        templating: { list: Variable[] };
        panels: { title: string; description?: string; targets?: { expr: string }[] }[];
      } = JSON.parse(readFileSync(join(folder, file), 'utf8'));
      const queries = dashboard.panels.flatMap(({ title, description, targets = [] }) =>
        targets.map(({ expr }) => ({ dashboard: file, panel: title, expr, emptyWhen: /Empty when: (.*)/.exec(description ?? '')?.[1] })),
      );
      return { file, variables: dashboard.templating.list, queries };
    });
}

/** Does what Grafana does with variables: asks Prometheus for their values, keeps what the pattern keeps, takes one or all. */
export async function substitution(
  prometheus: Prometheus,
  variables: readonly Variable[],
  wanted: Readonly<Record<string, string>>,
): Promise<(expr: string) => string> {
  const values = new Map([['__rate_interval', '60s']]);
  const replace = (text: string) => text.replaceAll(/\$\{?(\w+)\}?/g, (all, name: string) => values.get(name) ?? all);
  for (const { name, definition, regex, multi } of variables) {
    const parts = /^label_values\((.*), (\w+)\)$/.exec(definition ?? '');
    if (parts === null) continue;
    const keep = regex === '' ? /./ : new RegExp(regex.slice(1, -1));
    const found = (await prometheus.labelValues(replace(parts[1] ?? ''), parts[2] ?? '')).filter((value) => keep.test(value));
    const chosen = multi ? found.join('|') : (found.find((value) => value === wanted[name]) ?? '');
    if (chosen === '') throw new Error(`variable ${name} has no value ${wanted[name] ?? ''}; there are: ${found.join(', ')}`);
    values.set(name, multi ? `(${chosen})` : chosen);
  }
  return replace;
}
