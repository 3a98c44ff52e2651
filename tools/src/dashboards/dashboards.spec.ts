import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { dashboardFiles, dashboards } from './index.ts';

const folder = join(import.meta.dirname, '../../../deploy/dashboards');

/** When this fails: `npm run gen`, and commit the dashboards with the change that made them differ. */
it('deploy/dashboards is up to date', () => {
  const files = dashboardFiles();
  expect(
    readdirSync(folder)
      .filter((name) => name.endsWith('.json'))
      .sort(),
  ).toEqual([...files.keys()].sort());
  for (const [name, text] of files) expect(readFileSync(join(folder, name), 'utf8'), name).toBe(text);
});

interface Placed {
  readonly id: number;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
}

describe.each([...dashboardFiles()])('%s', (_, text) => {
  const { panels, templating }: { panels: Placed[]; templating: { list: { name: string }[] } } = JSON.parse(text);
  it('has panels that lie side by side and have names of their own', () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    for (const [i, a] of panels.entries()) {
      expect(a.gridPos.x + a.gridPos.w, a.title).toBeLessThanOrEqual(24);
      for (const b of panels.slice(i + 1)) {
        const [p, q] = [a.gridPos, b.gridPos];
        const apart = p.x + p.w <= q.x || q.x + q.w <= p.x || p.y + p.h <= q.y || q.y + q.h <= p.y;
        expect(apart, `${a.title} / ${b.title}`).toBe(true);
      }
    }
  });
  it('uses no variable that it does not have', () => {
    const known = new Set([...templating.list.map(({ name }) => name), '__rate_interval', '__all']);
    const used = [...text.matchAll(/\$\{?(\w+)\}?/g)].map((match) => match[1] ?? '');
    expect(used.filter((name) => !known.has(name))).toEqual([]);
  });
});

it('explains every panel', () => {
  const panels = dashboards.flatMap(({ rows }) => rows.flatMap((row) => row.panels));
  expect(panels.filter(({ description }) => !/\.$/.test(description)).map(({ title }) => title)).toEqual([]);
  expect(panels.length).toBeGreaterThan(50);
});
