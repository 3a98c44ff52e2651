import type { ConfigSource } from '@xebec/config';
import { type Clock, Debounce, type Logger } from '@xebec/core';
import type { Dispatcher } from './dispatcher.ts';
import type { MixerMetrics } from './metrics.ts';
import { type MixerEnvironment, PolicyCompiler, type PolicyProblem, policyProblemText } from './policy-compiler.ts';

const DEBOUNCE = { quietMs: 10, maxMs: 500 };

export interface PolicyLoader {
  problems(): readonly PolicyProblem[];
  close(): Promise<void>;
}

export interface PolicyLoaderOptions {
  readonly sources: readonly ConfigSource[];
  readonly dispatcher: Dispatcher;
  readonly environment: MixerEnvironment;
  readonly metrics: MixerMetrics;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Keeps the dispatcher's policy at what the sources hold, from the moment that all of them are synced. */
export function loadPolicy(options: PolicyLoaderOptions): PolicyLoader {
  const { sources, dispatcher, metrics, logger } = options;
  const compiler = new PolicyCompiler(options.environment);
  let problems: readonly PolicyProblem[] = [];
  const compile = (): void => {
    if (!sources.every(({ synced }) => synced)) return;
    const said = new Set(problems.map(policyProblemText));
    const compiled = compiler.compile(sources.flatMap((source) => source.list()));
    problems = compiled.problems;
    dispatcher.policy = compiled.policy;
    for (const problem of problems) {
      const { kind, namespace, name, path } = problem;
      const text = policyProblemText(problem);
      if (!said.has(text)) logger.error({ kind, namespace, name, path }, text);
    }
    const { rules, handlers, instances } = compiled.policy;
    metrics.rules.set(rules.length);
    metrics.handlers.set(handlers);
    metrics.instances.set(instances);
    metrics.configProblems.set(problems.length);
    metrics.configUpdates.inc();
    logger.info({ rules: rules.length, handlers, instances, problems: problems.length }, 'policy in force');
  };
  const debounce = new Debounce(DEBOUNCE, options.clock, compile);
  const stops = sources.map((source) => source.subscribe(() => debounce.trigger()));
  for (const source of sources) source.onSynced(compile);
  return {
    problems: () => problems,
    close: async () => {
      debounce.close();
      for (const stop of stops) stop();
      await compiler.close();
    },
  };
}
