import { type Answer, json, propagated, type Route } from '@xebec/microservice';

/** How a version of reviews shows stars: v1 not at all, v2 in black, v3 in red. */
export interface ReviewsOptions {
  readonly starColor: 'none' | 'black' | 'red';
  readonly ratingsUrl: string;
  readonly podName: string;
  readonly clusterName: string;
  fetch(url: string, headers: Readonly<Record<string, string>>, timeoutMs: number): Promise<Answer>;
}

const REVIEWS = [
  {
    reviewer: 'Reviewer1',
    text: 'Two sets of twins, one town, and not a dull minute. I laughed until the last page.',
  },
  {
    reviewer: 'Reviewer2',
    text: 'A merry play, if a light one: read it for the mix-ups, not for the meaning.',
  },
];

/** v2 waits longer for ratings than its caller waits for it: the mistake that the delay step of the walkthrough uncovers. */
const TIMEOUT_MS = { black: 10_000, red: 2_500 };
const UNAVAILABLE = { error: 'Ratings service is currently unavailable' };

function parseStars(body: string): Record<string, number> | undefined {
  try {
    const value: unknown = JSON.parse(body);
    if (typeof value !== 'object' || value === null || !('ratings' in value)) return undefined;
    return typeof value.ratings === 'object' && value.ratings !== null ? { ...value.ratings } : undefined;
  } catch {
    return undefined;
  }
}

async function fetchStars(
  options: ReviewsOptions,
  id: string,
  headers: Record<string, string>,
): Promise<Record<string, number> | undefined> {
  if (options.starColor === 'none') return undefined;
  try {
    const answer = await options.fetch(`${options.ratingsUrl}/ratings/${id}`, headers, TIMEOUT_MS[options.starColor]);
    return answer.status === 200 ? parseStars(answer.body) : undefined;
  } catch {
    return undefined;
  }
}

export function createRoutes(options: ReviewsOptions): readonly Route[] {
  return [
    { method: 'GET', path: '/health', handle: () => json({ status: 'Reviews is healthy' }) },
    {
      method: 'GET',
      path: '/reviews/:id',
      handle: async ({ params, headers }) => {
        const id = params['id'] ?? '';
        if (!/^\d+$/.test(id)) return json({ error: 'please provide numeric product ID' }, 400);
        const stars = await fetchStars(options, id, propagated(headers));
        const reviews = REVIEWS.map((review) => {
          if (options.starColor === 'none') return review;
          const given = stars?.[review.reviewer];
          return { ...review, rating: given === undefined ? UNAVAILABLE : { stars: given, color: options.starColor } };
        });
        return json({ id, podname: options.podName, clustername: options.clusterName, reviews });
      },
    },
  ];
}
