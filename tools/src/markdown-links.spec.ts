import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { headingAnchors, relativeLinks } from './markdown-links.ts';

const root = join(import.meta.dirname, '../..');
const pages = globSync(['*.md', '{docs,packages,apps,deploy,samples,bench,e2e,tools}/**/*.md'], {
  cwd: root,
  exclude: (name) => name.includes('node_modules'),
});

it('has no relative link to what does not exist', () => {
  const broken = pages.flatMap((page) => {
    const text = readFileSync(join(root, page), 'utf8');
    return relativeLinks(text).flatMap(({ line, path, anchor }) => {
      const target = path === '' ? join(root, page) : resolve(root, dirname(page), path);
      if (!existsSync(target)) return [`${page}:${line}: ${path} does not exist`];
      if (anchor === undefined || !target.endsWith('.md')) return [];
      return headingAnchors(readFileSync(target, 'utf8')).has(anchor) ? [] : [`${page}:${line}: ${path}#${anchor} is no heading`];
    });
  });
  expect(pages.length).toBeGreaterThan(20);
  expect(broken).toEqual([]);
});

it('finds links outside code', () => {
  const text = 'See [a](x.md#y) and [b](https://z).\n```\n[c](no.md)\n```\n`[d](no.md)` [e](#here)';
  expect(relativeLinks(text)).toEqual([
    { line: 1, path: 'x.md', anchor: 'y' },
    { line: 5, path: '', anchor: 'here' },
  ]);
});

it('makes the anchors of headings', () => {
  expect([...headingAnchors('# A `b`, c\n## X\n## X\n```\n# no\n```')]).toEqual(['a-b-c', 'x', 'x-1']);
});
