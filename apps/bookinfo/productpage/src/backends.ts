import type { Answer } from '@xebec/microservice';

export interface Backends {
  readonly detailsUrl: string;
  readonly reviewsUrl: string;
  readonly ratingsUrl: string;
  fetch(url: string, headers: Readonly<Record<string, string>>, timeoutMs: number): Promise<Answer>;
}

/** What a backend said: its JSON, or a status and a line that the page shows instead. */
export interface Fetched {
  readonly status: number;
  readonly data: Readonly<Record<string, unknown>>;
}

const TIMEOUT_MS = 3_000;
/** Reviews are asked twice: with a slow ratings service the page takes six seconds and still has no reviews. */
const REVIEWS_ATTEMPTS = 2;

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

async function fetchJson(backends: Backends, url: string, what: string, headers: Record<string, string>): Promise<Fetched> {
  const unavailable = { error: `Sorry, product ${what} are currently unavailable for this book.` };
  try {
    const answer = await backends.fetch(url, headers, TIMEOUT_MS);
    if (answer.status !== 200) return { status: answer.status, data: unavailable };
    const data: unknown = JSON.parse(answer.body);
    return isRecord(data) ? { status: 200, data } : { status: 502, data: unavailable };
  } catch {
    return { status: 500, data: unavailable };
  }
}

export function fetchDetails(backends: Backends, id: string, headers: Record<string, string>): Promise<Fetched> {
  return fetchJson(backends, `${backends.detailsUrl}/details/${id}`, 'details', headers);
}

export async function fetchReviews(backends: Backends, id: string, headers: Record<string, string>): Promise<Fetched> {
  let last: Fetched = { status: 500, data: {} };
  for (let attempt = 0; attempt < REVIEWS_ATTEMPTS; attempt++) {
    last = await fetchJson(backends, `${backends.reviewsUrl}/reviews/${id}`, 'reviews', headers);
    if (last.status === 200) break;
  }
  return last;
}

export function fetchRatings(backends: Backends, id: string, headers: Record<string, string>): Promise<Fetched> {
  return fetchJson(backends, `${backends.ratingsUrl}/ratings/${id}`, 'ratings', headers);
}
