import type { Analyzer } from '../../analyzer.ts';
import { readCertificates, secretCredential } from '../secret-certificate.ts';

const DAY_MS = 86_400_000;
const SOON_DAYS = 30;

/** XB0006: certificates of Secrets that have ended or soon will. */
export const endingCertificates: Analyzer = {
  name: 'xebec.CertificateAnalyzer',
  description: 'Finds certificates of Secrets that have ended or end within 30 days',
  inputs: ['Secret'],
  codes: ['XB0006'],
  analyze(view, report) {
    const { now } = view;
    if (now === undefined) return;
    for (const resource of view.all('Secret')) {
      const credential = secretCredential(resource.content);
      if (credential === undefined) continue;
      const ends = readCertificates(credential.certificate).map(({ notAfter }) => notAfter);
      if (ends.length === 0) continue;
      const end = Math.min(...ends);
      if (end > now + SOON_DAYS * DAY_MS) continue;
      const date = new Date(end).toISOString().slice(0, 10);
      const days = Math.floor((end - now) / DAY_MS);
      const says = end < now ? `ended on ${date}` : `ends on ${date}, in ${days} days; renew it`;
      report('XB0006', resource, [credential.field, says], `data.${credential.field}`);
    }
  },
};
