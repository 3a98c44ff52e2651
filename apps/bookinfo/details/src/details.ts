import { json, type Route } from '@xebec/microservice';

/** What the details service knows of every book: one edition of one play. */
const BOOK = {
  author: 'William Shakespeare',
  year: 1594,
  type: 'paperback',
  pages: 176,
  publisher: 'Harbour Press',
  language: 'English',
  'ISBN-10': '0140714740',
  'ISBN-13': '978-0140714746',
};

export const routes: readonly Route[] = [
  { method: 'GET', path: '/health', handle: () => json({ status: 'Details is healthy' }) },
  {
    method: 'GET',
    path: '/details/:id',
    handle: ({ params }) => {
      const id = Number(params['id']);
      return Number.isInteger(id) ? json({ id, ...BOOK }) : json({ error: 'please provide numeric product id' }, 400);
    },
  },
];
