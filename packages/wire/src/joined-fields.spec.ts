import { expect, test } from 'vitest';
import { FieldsReader } from './http1/fields-reader.ts';
import { requestFromFields } from './http2/header-block.ts';
import { joinedIn } from './joined-fields.ts';

const section =
  'accept: a\r\nx-a: accept\r\nx-a: authorization\r\naccept: \r\nAccept: b\r\nauthorization: 1\r\nauthorization: 2\r\nset-cookie: a\r\nset-cookie: b';

test('fields that a request has once become one list, others stay apart', () => {
  const fields = new FieldsReader(joinedIn.request).read(section, 0, 100);
  if (typeof fields === 'string') throw new Error(fields);
  expect(fields.headers).toEqual([
    ...['accept', 'a,b', 'x-a', 'accept', 'x-a', 'authorization', 'authorization', '1,2'],
    ...['set-cookie', 'a', 'set-cookie', 'b'],
  ]);
});

test('HTTP/2 joins the same, one section after the other', () => {
  const fields = [':method', 'GET', ':scheme', 'http', ':path', '/', ':authority', 'a', 'x-a', 'accept', 'accept', 'a', 'accept', 'b'];
  for (const turn of [1, 2]) {
    const parsed = requestFromFields(fields, false);
    if (typeof parsed === 'string') throw new Error(parsed);
    expect([turn, parsed.head.headers]).toEqual([turn, ['x-a', 'accept', 'accept', 'a,b']]);
  }
});

test('an answer keeps what only requests join', () => {
  const fields = new FieldsReader(joinedIn.response).read('accept: a\r\naccept: b\r\nvary: a\r\nvary: b', 0, 100);
  if (typeof fields === 'string') throw new Error(fields);
  expect(fields.headers).toEqual(['accept', 'a', 'accept', 'b', 'vary', 'a,b']);
});
