const MAX_BYTES = 1 << 20;

export function isWebUri(uri: string): boolean {
  return /^https?:\/\//i.test(uri) && URL.canParse(uri);
}

/**
 * The body of a URI, by Node's own client: 1 MiB and so many milliseconds at most, whatever the server sends. Rejects on any status but 2xx,
 * and on a redirect that leaves https.
 */
export async function fetchKeySet(uri: string, timeoutMs: number): Promise<string> {
  const response = await fetch(uri, { signal: AbortSignal.timeout(timeoutMs), headers: { accept: 'application/json' } });
  if (/^https:/i.test(uri) && response.redirected && !/^https:/i.test(response.url)) {
    await response.body?.cancel();
    throw new Error('it redirects to a place without TLS');
  }
  if (!response.ok) {
    await response.body?.cancel();
    throw new Error(`status ${response.status}`);
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > MAX_BYTES) throw new Error(`more than ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
