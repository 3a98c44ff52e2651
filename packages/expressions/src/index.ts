export { compileCel } from './cel/compile-cel.ts';
export { type CompiledExpression, compileExpression, type EvaluationFailure } from './compile.ts';
export { type DecodeOptions, decodeAttributes, decodeReport, encodeAttributes } from './compressed.ts';
export { formatValue, jsonValue, numericValue } from './format.ts';
export { globalDictionary, globalWordIndexes } from './global-dictionary.ts';
export { MAX_EXPRESSION_DEPTH, MAX_EXPRESSION_LENGTH, parseExpression } from './parser.ts';
export { type ExpressionProblem, expressionProblemText } from './problem.ts';
export { type AttributeReference, decodeReferences, encodeReferences, ReferenceTracker } from './references.ts';
export { formatIp, parseDurationNs, parseIp, parseTimestampNs } from './text-types.ts';
export {
  type AttributeBag,
  type AttributeForm,
  type AttributeValue,
  isValueType,
  type StringMap,
  type TypedValue,
  toAttributeValue,
  VALUE_TYPES,
  type Value,
  type ValueType,
} from './value.ts';
export { extendVocabulary, type Manifest, standardVocabulary, type Vocabulary } from './vocabulary.ts';
export { MalformedMessage } from './wire-reader.ts';
export {
  type CheckCall,
  decodeCheckCall,
  decodeReportCall,
  type OpenReport,
  openReportCall,
  type QuotaRequest,
  type ReportCall,
} from './wire-requests.ts';
