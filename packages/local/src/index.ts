export { type ApiServerOptions, type RunningApiServer, startApiServer } from './apiserver/start.ts';
