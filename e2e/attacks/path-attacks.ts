/** MeshConfig's levels, weakest first. */
export const LEVELS = ['NONE', 'BASE', 'MERGE_SLASHES', 'DECODE_AND_MERGE_SLASHES'] as const;
export type Level = (typeof LEVELS)[number];

/**
 * Targets that mean /admin to somebody, with the weakest normalization at which a DENY for /admin and /admin/* keeps them out:
 * below it they pass. `every`: they never pass. `none`: they do at any level, because they are another path to a proxy; only an
 * ALLOW list keeps them out.
 */
export const PATH_ATTACKS: readonly (readonly [target: string, keptOutFrom: Level | 'every' | 'none'])[] = [
  ['/admin', 'every'],
  ['/admin?x=1', 'every'],
  ['/admin/', 'every'],
  ['/admin/;x', 'every'],
  ['/admin#/../public', 'every'],
  ['\\admin', 'every'],
  ['/./admin', 'BASE'],
  ['/public/../admin', 'BASE'],
  ['/public/%2e%2e/admin', 'BASE'],
  ['/public/.%2E/admin', 'BASE'],
  ['/%61dmin', 'BASE'],
  ['/public\\..\\admin', 'BASE'],
  ['/\\../admin', 'BASE'],
  ['//admin', 'MERGE_SLASHES'],
  ['///admin//x', 'MERGE_SLASHES'],
  ['/.//admin', 'MERGE_SLASHES'],
  ['/admin%2fx', 'DECODE_AND_MERGE_SLASHES'],
  ['/admin%2Fx', 'DECODE_AND_MERGE_SLASHES'],
  ['/admin%5cx', 'DECODE_AND_MERGE_SLASHES'],
  ['/public%2f..%2fadmin', 'DECODE_AND_MERGE_SLASHES'],
  ['/%2fadmin', 'DECODE_AND_MERGE_SLASHES'],
  ['/ADMIN', 'none'],
  ['/admin;x=1', 'none'],
  ['/admin.', 'none'],
  ['/admin%20', 'none'],
  ['/admin%09', 'none'],
  ['/admin%3fx', 'none'],
  ['/admin%23', 'none'],
  ['/public/%252e%252e/admin', 'none'],
  ['/%2561dmin', 'none'],
  ['/public/%c0%ae%c0%ae/admin', 'none'],
  ['/%ef%bc%8fadmin', 'none'],
];
