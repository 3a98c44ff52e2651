import { ok } from '@xebec/core';
import { z } from 'zod';
import type { AdapterDefinition } from '../adapter.ts';
import { writtenResponse } from '../direct-response.ts';
import { checkBySchema, milliseconds, parseParams, rpcStatus } from '../params.ts';

const FAILED_PRECONDITION = 9;

const params = z.strictObject({
  status: rpcStatus.optional(),
  validDuration: milliseconds.optional(),
  validUseCount: z.int().optional(),
});

/** Denies whatever its rules send to it. */
export const denier: AdapterDefinition = {
  name: 'denier',
  templates: ['checknothing', 'listentry', 'quota'],
  check: checkBySchema(params),
  configure(raw, _environment) {
    const parsed = parseParams(params, raw);
    if (!parsed.ok) return parsed;
    const { status, validDuration = 5_000, validUseCount = 1000 } = parsed.value;
    const code = status?.code ?? FAILED_PRECONDITION;
    const directResponse = writtenResponse(code, status?.details ?? []);
    const result = {
      code,
      message: status?.message ?? '',
      validDurationMs: validDuration,
      validUseCount,
      ...(directResponse === undefined ? {} : { directResponse }),
    };
    return ok({
      check: () => result,
      // Nothing is granted, and that is no failure.
      quota: () => ({ code: 0, message: '', amount: 0, validDurationMs: 0 }),
      close: () => undefined,
    });
  },
};
