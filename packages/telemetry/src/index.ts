export type { Counter, Gauge, Histogram, StatsScope } from './stats.ts';
export type { ConnectionInfo, PeerCertificate, ResponseFlag, StreamInfo } from './stream-info.ts';
