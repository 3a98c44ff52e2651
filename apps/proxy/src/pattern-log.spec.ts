import { expect, it } from 'vitest';
import { compileLogPattern } from './pattern-log.ts';

it('writes what the pattern of spdlog says', () => {
  const line = { level: 40, timeMs: Date.UTC(2026, 0, 2, 3, 4, 5, 6), name: 'xebec-proxy', text: 'hello 100%' };
  expect(compileLogPattern('[%Y-%m-%d %T.%e][%l][%n] [%g:%#] %v%%')(line)).toBe(
    '[2026-01-02 03:04:05.006][warning][xebec-proxy] [:0] hello 100%%',
  );
  expect(compileLogPattern('%L %x plain')(line)).toBe('W %x plain');
});
