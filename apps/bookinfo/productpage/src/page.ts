import type { Fetched } from './backends.ts';

export interface Product {
  readonly id: number;
  readonly title: string;
  readonly descriptionHtml: string;
}

export const PRODUCTS: readonly Product[] = [
  {
    id: 0,
    title: 'The Comedy of Errors',
    descriptionHtml:
      'A play by William Shakespeare: two pairs of twins, parted at sea, meet in Ephesus, and everyone takes everyone for someone else.',
  },
];

export function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

function shell(title: string, user: string | undefined, main: string): string {
  const account =
    user === undefined
      ? `<form method="post" action="/login" class="sign-in"><label>User <input name="username" autocomplete="username" required maxlength="64"></label>
<label>Password <input name="passwd" type="password" autocomplete="current-password"></label><button type="submit">Sign in</button></form>`
      : `<p class="sign-in">Signed in as <strong id="user">${escapeHtml(user)}</strong> <a href="/logout">Sign out</a></p>`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<link rel="stylesheet" href="/static/style.css">
</head>
<body>
<header><a class="brand" href="/productpage">BookInfo sample</a>${account}</header>
<main>${main}</main>
</body>
</html>
`;
}

function stars(rating: unknown): string {
  if (typeof rating !== 'object' || rating === null) return '';
  if ('error' in rating) return `<p class="error">${escapeHtml(String(rating.error))}</p>`;
  if (!('stars' in rating) || typeof rating.stars !== 'number') return '';
  const count = Math.max(0, Math.min(5, Math.round(rating.stars)));
  const color = 'color' in rating && rating.color === 'red' ? 'red' : 'black';
  return `<p class="stars ${color}" role="img" aria-label="${count} of 5 stars">${'★'.repeat(count)}${'☆'.repeat(5 - count)}</p>`;
}

function detailsSection(details: Fetched): string {
  if (details.status !== 200)
    return `<section id="details"><h2>Error fetching product details!</h2><p class="error">${escapeHtml(String(details.data['error']))}</p></section>`;
  const rows = Object.entries(details.data)
    .filter(([name]) => name !== 'id')
    .map(([name, value]) => `<tr><th scope="row">${escapeHtml(name)}</th><td>${escapeHtml(String(value))}</td></tr>`);
  return `<section id="details"><h2>Book Details</h2><table>${rows.join('')}</table></section>`;
}

function reviewsSection(reviews: Fetched): string {
  const list = reviews.data['reviews'];
  if (reviews.status !== 200 || !Array.isArray(list)) {
    return `<section id="reviews"><h2>Error fetching product reviews!</h2><p class="error">${escapeHtml(String(reviews.data['error'] ?? ''))}</p></section>`;
  }
  const quotes = list.map(
    (review) =>
      `<blockquote><p>${escapeHtml(String(review.text))}</p><footer>${escapeHtml(String(review.reviewer))}</footer>${stars(review.rating)}</blockquote>`,
  );
  const served = `<p class="served">Reviews served by: <code>${escapeHtml(String(reviews.data['podname']))}</code></p>`;
  return `<section id="reviews"><h2>Book Reviews</h2>${quotes.join('')}${served}</section>`;
}

export function productPage(product: Product, user: string | undefined, details: Fetched, reviews: Fetched): string {
  const main = `<h1>${escapeHtml(product.title)}</h1><p class="summary">${product.descriptionHtml}</p><div class="columns">${detailsSection(details)}${reviewsSection(reviews)}</div>`;
  return shell(product.title, user, main);
}

export function indexPage(): string {
  return shell(
    'Bookinfo',
    undefined,
    `<h1>Hello! This is a simple bookstore application consisting of four services.</h1>
<p><a href="/productpage?u=normal">Normal user</a> · <a href="/productpage?u=test">Test user</a></p>`,
  );
}

export const STYLE = `:root{color-scheme:light dark;--ink:#1d2733;--paper:#fff;--line:#d5dbe3;--accent:#0b5cad}
@media(prefers-color-scheme:dark){:root{--ink:#e6ebf1;--paper:#14191f;--line:#37424f;--accent:#7db8f5}}
*{box-sizing:border-box}body{margin:0;font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper)}
header{display:flex;flex-wrap:wrap;gap:1rem;align-items:center;justify-content:space-between;padding:.75rem 1.5rem;border-bottom:1px solid var(--line)}
.brand{font-weight:700;color:inherit;text-decoration:none}a{color:var(--accent)}
.sign-in{display:flex;flex-wrap:wrap;gap:.5rem;align-items:center;margin:0}input,button{font:inherit;padding:.25rem .5rem}
main{max-width:64rem;margin:0 auto;padding:1.5rem}.columns{display:grid;gap:2rem;grid-template-columns:repeat(auto-fit,minmax(18rem,1fr))}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.35rem .5rem;border-bottom:1px solid var(--line)}
blockquote{margin:0 0 1rem;padding:.25rem 0 .25rem 1rem;border-left:3px solid var(--line)}footer{opacity:.75}footer::before{content:'— '}
.stars{font-size:1.4rem;margin:.25rem 0;letter-spacing:.1em}.stars.red{color:#d5281b}.error{color:#c0392b}.served{opacity:.8;font-size:.9rem}
@media(prefers-color-scheme:dark){.stars.red{color:#ff6b5e}.error{color:#ff8a80}}
`;
