import type { Analyzer } from '../../analyzer.ts';
import { type AnalysedKind, analysedKinds } from '../../resource.ts';
import type { ObjectFindings } from '../../view.ts';

const CODES = ['IST0106', 'IST0133'] as const;
/** Kinds of the mesh that other analyzers read too. */
const MESH_KINDS = analysedKinds.filter(({ group }) => group.endsWith('.istio.io'));

/** IST0106 and IST0133: what admission refuses and warns of. A warning that an analyzer of its own gives is left to that one. */
function validation(name: string, inputs: readonly AnalysedKind[], isFor: (findings: ObjectFindings) => boolean): Analyzer {
  return {
    name,
    description: `Runs schema validation as an analyzer on '${inputs.length === 0 ? "Mixer's kinds and unknown" : inputs.join(', ')}' resources`,
    inputs,
    codes: CODES,
    analyze(view, report) {
      for (const findings of view.findings.filter(isFor)) {
        for (const { path, message } of findings.errors) report('IST0106', findings, [atPath(path, message)], path);
        for (const { path, message, analyzedAs } of findings.warnings)
          if (analyzedAs === undefined) report('IST0133', findings, [atPath(path, message)], path);
      }
    },
  };
}

function atPath(path: string, message: string): string {
  return path === '' ? message : `${path}: ${message}`;
}

/** One for each kind, as istioctl has them, and one for what is left. */
export const schemaValidation: readonly Analyzer[] = [
  ...MESH_KINDS.map(({ kind, name }) => validation(`schema.ValidationAnalyzer.${kind}`, [name], ({ subject }) => subject.kind === kind)),
  validation('schema.ValidationAnalyzer', [], ({ subject }) => MESH_KINDS.every(({ kind }) => kind !== subject.kind)),
];
