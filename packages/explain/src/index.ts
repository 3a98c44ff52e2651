export type { Call, Caller } from './call.ts';
export { explainCall } from './explain-call.ts';
export type { Alternative, Explanation, Outcome, Place, Step, Topic, Verdict } from './explanation.ts';
export { findGateway } from './gateways.ts';
export { explanationText, referenceText } from './text.ts';
export { type FoundWorkload, findWorkload, gatewayProxy, proxyBeside } from './workloads.ts';
