import { json, type Route } from '@xebec/microservice';

const DEFAULT_RATINGS: Readonly<Record<string, number>> = { Reviewer1: 5, Reviewer2: 4 };
/** Ratings that were posted are kept in memory, for this many products at most. */
const MAX_PRODUCTS = 1000;

function isRatings(value: unknown): value is Record<string, number> {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && Object.values(value).every((stars) => typeof stars === 'number')
  );
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

/** The service's routes over its own store: one per process. */
export function createRoutes(): readonly Route[] {
  const posted = new Map<number, Record<string, number>>();
  const productId = (text: string | undefined) => (text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined);
  return [
    { method: 'GET', path: '/health', handle: () => json({ status: 'Ratings is healthy' }) },
    {
      method: 'GET',
      path: '/ratings/:id',
      handle: ({ params }) => {
        const id = productId(params['id']);
        return id === undefined
          ? json({ error: 'please provide numeric product ID' }, 400)
          : json({ id, ratings: posted.get(id) ?? DEFAULT_RATINGS });
      },
    },
    {
      method: 'POST',
      path: '/ratings/:id',
      handle: ({ params, body }) => {
        const id = productId(params['id']);
        if (id === undefined) return json({ error: 'please provide numeric product ID' }, 400);
        const ratings = parse(body);
        if (!isRatings(ratings)) return json({ error: 'please provide valid ratings JSON' }, 400);
        if (posted.size >= MAX_PRODUCTS && !posted.has(id)) return json({ error: 'too many products' }, 507);
        posted.set(id, ratings);
        return json({ id, ratings });
      },
    },
  ];
}
