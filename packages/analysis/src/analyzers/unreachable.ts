import type { HttpRoute } from '@xebec/schemas';
import type { Message } from '../message.ts';
import { type AnalysisView, subjectOf } from '../view.ts';

/** IST0130: an HTTP rule behind one that takes everything, or whose matches all stand in earlier rules. */
export function analyzeUnreachableRules(view: AnalysisView): Message[] {
  return view.virtualServices.flatMap((object) => {
    const seen = new Set<string>();
    let catchAll: number | undefined;
    return (object.spec.http ?? []).flatMap((route, index) => {
      const why = reason(route, seen, catchAll);
      for (const match of route.match ?? []) seen.add(canonical(match));
      if (catchAll === undefined && takesEverything(route)) catchAll = index;
      if (why === undefined) return [];
      const name = route.name ?? `#${index}`;
      return [
        {
          code: 'IST0130',
          subject: subjectOf(object),
          path: `spec.http[${index}]`,
          text: `VirtualService rule ${name} not used (${why}).`,
        } as const,
      ];
    });
  });
}

function reason(route: HttpRoute, seen: ReadonlySet<string>, catchAll: number | undefined): string | undefined {
  if (catchAll !== undefined)
    return route.match === undefined ? 'only the last rule can have no matches' : `rule #${catchAll} before it matches everything`;
  const matches = route.match ?? [];
  return matches.length > 0 && matches.every((match) => seen.has(canonical(match))) ? 'duplicate match' : undefined;
}

function takesEverything(route: HttpRoute): boolean {
  const matches = route.match ?? [];
  return (
    matches.length === 0 ||
    matches.some((match) => Object.keys(match).every((key) => key === 'name' || (key === 'uri' && match.uri?.prefix === '/')))
  );
}

function canonical(match: object): string {
  return JSON.stringify(match, (_key, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}
