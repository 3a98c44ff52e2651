import { type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js';
import { errorText } from '@xebec/core';
import { ReferenceTracker } from '@xebec/expressions';
import { Authorization, type CheckRequest, type CheckResponse } from '@xebec/protos/envoy/service/auth/v3/external_auth';
import { serviceDefinition } from '@xebec/rpc';
import type { CheckOutcome, Dispatcher } from '../dispatcher.ts';
import type { MixerService, ServiceContext } from '../services.ts';
import { answerOf } from './answer.ts';
import { attributesOf, QUOTAS_EXTENSION } from './attributes.ts';
import { type FilterAttributes, FilterAttributesReader } from './filter-attributes.ts';

const RESOURCE_EXHAUSTED = 8;
const MAX_QUOTAS = 16;

/**
 * `envoy.service.auth.v3.Authorization`: an Envoy's external authorization filter asks, Mixer's rules answer. What no rule can decide fails
 * the call, so that the proxy's `failure_mode_allow` decides.
 */
export function extAuthzService({ dispatcher, logger }: ServiceContext): MixerService {
  const reader = new FilterAttributesReader();
  const Check = ({ request, metadata }: ServerUnaryCall<CheckRequest, CheckResponse>, callback: sendUnaryData<CheckResponse>): void => {
    decide(dispatcher, request, reader.read(metadata)).then(
      (outcome) => callback(null, answerOf(outcome)),
      (error: unknown) => {
        logger.debug({}, `external authorization: ${errorText(error)}`);
        callback({ code: status.INTERNAL, details: errorText(error) });
      },
    );
  };
  return { definition: serviceDefinition(Authorization), implementation: { Check } };
}

async function decide(
  dispatcher: Dispatcher,
  { attributes }: CheckRequest,
  ofFilter: FilterAttributes,
): Promise<Omit<CheckOutcome, 'failure'>> {
  if (attributes === undefined) throw new Error('the check has no attributes');
  const { bag, failure } = await dispatcher.preprocess(attributesOf(attributes, ofFilter));
  if (failure !== undefined) throw new Error(`preprocessing attributes failed: ${failure}`);
  const outcome = await dispatcher.check(bag, new ReferenceTracker());
  if (outcome.failure !== undefined) throw new Error(`performing check operation failed: ${outcome.failure}`);
  if (outcome.code !== 0) return outcome;
  const quotas = attributes.contextExtensions[QUOTAS_EXTENSION] ?? ofFilter.get(QUOTAS_EXTENSION);
  for (const { name, amount } of quotasOf(typeof quotas === 'string' ? quotas : undefined)) {
    const args = { amount, bestEffort: false, deduplicationId: '' };
    const { code, message, amount: granted } = await dispatcher.quota(name, args, bag, new ReferenceTracker());
    if (granted >= amount) continue;
    // A store that is away refuses with a status of its own.
    return { ...outcome, code: code === 0 ? RESOURCE_EXHAUSTED : code, message: message || `quota ${name} is exhausted` };
  }
  return outcome;
}

/** `requests, bytes=10`: names of quotas, each with the amount to take unless that is 1. */
function quotasOf(text: string | undefined): readonly { readonly name: string; readonly amount: number }[] {
  const entries = (text ?? '').split(',').map((entry) => entry.trim());
  return entries
    .filter((entry) => entry !== '')
    .slice(0, MAX_QUOTAS)
    .map((entry) => {
      const [name = '', amount] = entry.split('=');
      return { name: name.trim(), amount: amount !== undefined && /^\s*\d{1,9}\s*$/.test(amount) ? Number(amount) : 1 };
    });
}
