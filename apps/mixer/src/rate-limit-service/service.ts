import { create } from '@bufbuild/protobuf';
import { type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js';
import { errorText } from '@xebec/core';
import {
  type RateLimitRequest,
  type RateLimitResponse,
  RateLimitResponse_Code,
  RateLimitResponseSchema,
  RateLimitService,
} from '@xebec/protos/envoy/service/ratelimit/v3/rls';
import { serviceDefinition } from '@xebec/rpc';
import { Counter } from 'prom-client';
import type { MixerService, ServiceContext } from '../services.ts';
import { answerOf, askedDescriptors, problemOf } from './messages.ts';

/**
 * `envoy.service.ratelimit.v3.RateLimitService`: an Envoy's rate limit filter asks, the domain's `ratelimit` handler decides. A domain that
 * no handler serves has no limits. When counts cannot be reached the call fails, so that the proxy's `failure_mode_deny` decides.
 */
export function rateLimitService({ rateLimits, registry, logger }: ServiceContext): MixerService {
  const decisions = new Counter({
    name: 'mixer_rate_limit_decisions_total',
    help: 'Answers to rate limit requests, by domain that is served and by what was said.',
    labelNames: ['domain', 'code'],
    registers: [registry],
  });
  const decide = async (request: RateLimitRequest): Promise<RateLimitResponse> => {
    const domain = rateLimits.get(request.domain);
    const asked = askedDescriptors(request);
    if (domain === undefined) {
      const statuses = asked.map(() => ({ code: RateLimitResponse_Code.OK }));
      return create(RateLimitResponseSchema, { overallCode: RateLimitResponse_Code.OK, statuses });
    }
    const answer = answerOf(await domain.decide(asked), domain.responseHeaders);
    decisions.inc({ domain: request.domain, code: RateLimitResponse_Code[answer.overallCode] });
    return answer;
  };
  const ShouldRateLimit = (
    { request }: ServerUnaryCall<RateLimitRequest, RateLimitResponse>,
    callback: sendUnaryData<RateLimitResponse>,
  ): void => {
    const problem = problemOf(request);
    if (problem !== undefined) {
      callback({ code: status.INVALID_ARGUMENT, details: problem });
      return;
    }
    decide(request).then(
      (answer) => callback(null, answer),
      (error: unknown) => {
        const details = errorText(error);
        logger.debug({ domain: request.domain }, `rate limit: ${details}`);
        decisions.inc({ domain: request.domain, code: 'ERROR' });
        callback({ code: status.UNAVAILABLE, details });
      },
    );
  };
  return { definition: serviceDefinition(RateLimitService), implementation: { ShouldRateLimit } };
}
