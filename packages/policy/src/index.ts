export type {
  AdapterSignature,
  CheckResult,
  FieldValue,
  Handler,
  InstanceValue,
  QuotaArguments,
  QuotaGrant,
  RoutedInstance,
  Variety,
} from './adapter.ts';
export { type Binding, bindOutputs, type Outputs, withOutputs } from './attribute-bindings.ts';
export {
  adapterProblem,
  checkPolicyObject,
  isPolicyObject,
  type PolicyContext,
  policyContext,
  remoteAdapterOf,
  remoteHandlerErrors,
  unknownRemote,
} from './check-policy.ts';
export { type CompiledInstance, compileInstance, type InstanceOptions, toViolation } from './compile-instance.ts';
export {
  type CompiledAction,
  type CompiledHandler,
  type CompiledHeaderOperation,
  type CompiledRule,
  compileRule,
  type RuleScope,
  resolveReference,
} from './compile-rule.ts';
export { FieldRow } from './field-row.ts';
export { compileIn, type ExpressionLanguage, languageOf } from './language.ts';
export { handlerSpecOf, instanceSpecOf, inWrittenForm, referenceName } from './object-forms.ts';
export type { AdapterParams } from './out-of-process/adapter-params.ts';
export { ExtensionReader, type Extensions, noExtensions, type RemoteAdapter } from './out-of-process/extensions.ts';
export { encodeInferredTypes, type InferredTypes } from './out-of-process/inferred-types.ts';
export { InstanceEncoder } from './out-of-process/instance-encoder.ts';
export { decodeOutputs } from './out-of-process/output-values.ts';
export { readMessage } from './out-of-process/read-message.ts';
export type { TemplateService } from './out-of-process/template-service.ts';
export { compileSampling, type Sampler, type SamplingEnvironment } from './sampling.ts';
export { type FieldMap, SharedFields } from './shared-fields.ts';
export { type TemplateDefinition, type TemplateField, templates } from './template.ts';
