export { type Answer, get, propagated } from './call.ts';
export { createService, json, matchPath, type Reply, type Request, type Route, runService, text } from './serve.ts';
