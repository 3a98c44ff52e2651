import { expect, it } from 'vitest';
import { publicationBlocker } from './proof.ts';

const rotation = { active: 'a', other: 'b', bundleVersion: 2, since: 1000, paused: false, rollingBack: false, skipped: [] as string[] };

it.each([
  ['while the new root is young', { phase: 'distributing' as const }, 1999, 1],
  ['no longer than that', { phase: 'distributing' as const }, 2000, 0],
  ['in no other phase', { phase: 'retiring' as const }, 1001, 0],
  ['unless somebody says not to', { phase: 'distributing' as const, skipped: ['federation'] }, 1001, 0],
])('waits for other trust domains %s', (_name, more, now, count) => {
  expect(publicationBlocker({ ...rotation, ...more }, 1000, now)).toHaveLength(count);
});
