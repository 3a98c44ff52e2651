import type { Analyzer } from '../../analyzer.ts';

/** XB0008 and XB0009: what Mixer could not run, found by compiling its objects together as Mixer does. */
export const mixerObjects: Analyzer = {
  name: 'xebec.MixerAnalyzer',
  description: "Compiles Mixer's handlers, instances and rules, and finds what they name that is not there",
  inputs: [],
  codes: ['XB0008', 'XB0009'],
  analyze({ mixerFindings }, report) {
    for (const { subject, errors, warnings } of mixerFindings) {
      for (const { path, message } of errors) report('XB0008', { subject }, [subject.kind, `${path}: ${message}`], path);
      for (const { path, message } of warnings) report('XB0009', { subject }, [subject.kind, `${path}: ${message}`], path);
    }
  },
};
