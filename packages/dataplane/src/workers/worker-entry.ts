import { enableCompileCache } from 'node:module';
import { workerData } from 'node:worker_threads';

// Given by the worker pool, which is the only one to start this.
const { compileCache } = workerData as { readonly compileCache: string | undefined };
// Before anything else is loaded: what the main thread has compiled (and stripped of its types) need not be done again.
if (compileCache !== undefined) enableCompileCache(compileCache);
await import('./worker-thread.ts');
