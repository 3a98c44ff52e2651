import { createHmac, timingSafeEqual } from 'node:crypto';

/** A signed cookie that holds the user's name; nothing is kept on the server. */
export interface Sessions {
  cookieFor(user: string): string;
  userOf(cookieHeader: string | undefined): string | undefined;
}

export const CLEARED_COOKIE = 'session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax';

export function createSessions(secret: Buffer): Sessions {
  const sign = (value: string) => createHmac('sha256', secret).update(value).digest('base64url');
  return {
    cookieFor(user) {
      const value = Buffer.from(user).toString('base64url');
      return `session=${value}.${sign(value)}; Path=/; HttpOnly; SameSite=Lax`;
    },
    userOf(cookieHeader) {
      const match = /(?:^|;\s*)session=([\w-]+)\.([\w-]+)/.exec(cookieHeader ?? '');
      const [, value, signature] = match ?? [];
      if (value === undefined || signature === undefined) return undefined;
      const wanted = Buffer.from(sign(value));
      const given = Buffer.from(signature);
      if (wanted.length !== given.length || !timingSafeEqual(wanted, given)) return undefined;
      return Buffer.from(value, 'base64url').toString('utf8');
    },
  };
}
