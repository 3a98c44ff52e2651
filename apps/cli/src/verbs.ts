import { addAdapter } from './adapter/command.ts';
import { addAnalyze } from './analyze/command.ts';
import { addApply, addDelete } from './apply/command.ts';
import { addAuthz } from './authz/command.ts';
import { addCa } from './ca/command.ts';
import { addCertificates } from './certificates/command.ts';
import { addConfig } from './config/command.ts';
import { addExplain } from './explain/command.ts';
import type { Verb } from './program.ts';
import { addProxyConfig } from './proxy-config/command.ts';
import { addProxyStatus } from './proxy-status/command.ts';
import { addSchema } from './schema/command.ts';
import { addSmi } from './smi/command.ts';
import { addStrictReport } from './strict-report/command.ts';
import { addTap } from './tap/command.ts';
import { addDown, addUp } from './up/command.ts';
import { addValidate } from './validate/command.ts';
import { addVersion } from './version/command.ts';
import { addWait } from './wait/command.ts';
import { addXds } from './xds/command.ts';

/** Everything `xebec` can do, in the order of its help. */
export const verbs: readonly Verb[] = [
  addUp,
  addDown,
  addAnalyze,
  addValidate,
  addApply,
  addDelete,
  addConfig,
  addWait,
  addProxyStatus,
  addProxyConfig,
  addTap,
  addCa,
  addCertificates,
  addSchema,
  addStrictReport,
  addXds,
  addExplain,
  addAuthz,
  addAdapter,
  addSmi,
  addVersion,
];
