export type {
  AdapterSignature,
  CheckResult,
  FieldValue,
  Handler,
  InstanceValue,
  QuotaArguments,
  QuotaGrant,
  Variety,
} from './adapter.ts';
export { type CompiledInstance, compileInstance, toViolation } from './compile-instance.ts';
export {
  type CompiledAction,
  type CompiledHandler,
  type CompiledHeaderOperation,
  type CompiledRule,
  compileRule,
  type RuleScope,
  resolveReference,
} from './compile-rule.ts';
export { type TemplateDefinition, type TemplateField, templates } from './template.ts';
