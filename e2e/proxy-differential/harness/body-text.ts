/** A body as it is compared: itself if short, else its length, beginning and a checksum. */
export function bodyText(body: string): string {
  if (body.length <= 2000) return body;
  let sum = 0;
  for (let i = 0; i < body.length; i++) sum = (sum * 31 + body.charCodeAt(i)) >>> 0;
  return `${body.slice(0, 40)}… (${body.length} bytes, sum ${sum})`;
}
