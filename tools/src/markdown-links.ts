/** A relative link of a Markdown file. */
export interface RelativeLink {
  readonly line: number;
  /** Path part, as written; empty for a link within the page. */
  readonly path: string;
  /** Heading anchor without `#`; undefined when there is none. */
  readonly anchor: string | undefined;
}

/** Relative links outside code; absolute URLs are left out. */
export function relativeLinks(markdown: string): RelativeLink[] {
  return proseLines(markdown).flatMap(({ text, line }) =>
    [...text.replaceAll(/`[^`]*`/g, '').matchAll(/\]\(([^)\s]+)\)/g)].flatMap((match) => {
      const target = match[1] ?? '';
      if (/^[a-z][a-z0-9+.-]*:/i.test(target)) return [];
      const at = target.indexOf('#');
      return [{ line, path: at < 0 ? target : target.slice(0, at), anchor: at < 0 ? undefined : target.slice(at + 1) }];
    }),
  );
}

/** Anchors of a page's headings, as GitHub makes them; repeated headings get -1, -2, … */
export function headingAnchors(markdown: string): Set<string> {
  const anchors = new Set<string>();
  for (const { text } of proseLines(markdown)) {
    const title = /^#{1,6}\s+(.*)$/.exec(text)?.[1];
    if (title === undefined) continue;
    const base = title
      .trim()
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(/\s/g, '-');
    let anchor = base;
    for (let count = 1; anchors.has(anchor); count++) anchor = `${base}-${count}`;
    anchors.add(anchor);
  }
  return anchors;
}

function proseLines(markdown: string): { text: string; line: number }[] {
  let fenced = false;
  return markdown.split('\n').flatMap((text, index) => {
    if (/^\s*(```|~~~)/.test(text)) {
      fenced = !fenced;
      return [];
    }
    return fenced ? [] : [{ text, line: index + 1 }];
  });
}
