import { readFile } from 'node:fs/promises';
import { status } from '@grpc/grpc-js';
import { errorText } from '@xebec/core';
import { CallFailure } from './call-failure.ts';

/** The text of a file that holds one secret, without the line's end. */
export async function readSecret(path: string, field: string): Promise<string> {
  const at = `spec.connection.authentication.tls.${field}`;
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new CallFailure(status.UNAVAILABLE, `${at}: cannot read ${path}: ${errorText(error)}`);
  });
  const secret = text.trim();
  // What a header cannot hold would stand in the error of whoever makes the header.
  if (!/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(secret))
    throw new CallFailure(status.UNAVAILABLE, `${at}: ${path} holds no token of one line of ASCII`);
  return secret;
}
