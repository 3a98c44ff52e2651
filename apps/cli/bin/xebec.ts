#!/usr/bin/env node
import { createProgram, runProgram } from '../src/program.ts';
import { verbs } from '../src/verbs.ts';

await runProgram(createProgram(verbs), process.argv.slice(2));
