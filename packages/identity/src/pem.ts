import { ok, type Result } from '@xebec/core';
import { type Refusal, refuse } from './refusal.ts';

/** A chain or bundle larger than this is refused before it is read. */
const MAX_PEM_BYTES = 1 << 20;
const MAX_BLOCKS = 256;

/**
 * The DER of every block with that label (`CERTIFICATE`), in order. Text between blocks is skipped, as RFC 7468 allows; blocks of
 * other labels are refused, so that a private key pasted into a bundle does not travel on.
 */
export function decodePem(text: string, label: string, maxBytes = MAX_PEM_BYTES): Result<Uint8Array[], Refusal> {
  if (text.length > maxBytes) return refuse('E_PEM', `the PEM text has ${text.length} bytes, at most ${maxBytes} are read`);
  const blocks: Uint8Array[] = [];
  let at = 0;
  for (;;) {
    const begin = text.indexOf('-----BEGIN ', at);
    if (begin === -1) break;
    const headEnd = text.indexOf('-----', begin + 11);
    const found = headEnd === -1 ? '' : text.slice(begin + 11, headEnd);
    if (found !== label)
      return refuse('E_PEM', `the PEM text has a block ${JSON.stringify(found.slice(0, 40))} where ${label} is expected`);
    const footer = `-----END ${label}-----`;
    const end = text.indexOf(footer, headEnd);
    if (end === -1) return refuse('E_PEM', `a PEM block ${label} has no end line`);
    const body = text.slice(headEnd + 5, end).replaceAll(/[\r\n\t ]/g, '');
    if (body === '' || !/^[A-Za-z0-9+/]*={0,2}$/.test(body) || body.length % 4 !== 0) {
      return refuse('E_PEM', `a PEM block ${label} is not base64`);
    }
    if (blocks.length === MAX_BLOCKS) return refuse('E_PEM', `the PEM text has more than ${MAX_BLOCKS} blocks`);
    blocks.push(Buffer.from(body, 'base64'));
    at = end + footer.length;
  }
  if (blocks.length === 0) return refuse('E_PEM', `the text holds no PEM block ${label}`);
  return ok(blocks);
}

const LINE = 64;

/** One PEM block with 64 characters a line and a newline at the end. */
export function encodePem(label: string, bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');
  let lines = '';
  for (let at = 0; at < text.length; at += LINE) lines += `${text.slice(at, at + LINE)}\n`;
  return `-----BEGIN ${label}-----\n${lines}-----END ${label}-----\n`;
}
