import type { Analyzer } from '../../analyzer.ts';
import { integer, record, records, text } from '../../fields.ts';
import { podWorkload, templateWorkload } from '../../workload-index.ts';
import { isControlPlane } from '../service/port-name.ts';

const PROXY_USER = 1337;
const OWN_CONTAINERS: ReadonlySet<string> = new Set(['istio-proxy', 'istio-operator']);

/** IST0144: what the proxy's user sends is not redirected, so an application that runs as it leaves the mesh. */
export const applicationUser: Analyzer = {
  name: 'applicationUID.Analyzer',
  description: 'Checks invalid application UID',
  inputs: ['Pod', 'Deployment'],
  codes: ['IST0144'],
  analyze(view, report) {
    const all = [
      ...view.all('Pod').map((pod) => ({ ...podWorkload(pod), prefix: 'spec' })),
      ...view.all('Deployment').map((deployment) => ({ ...templateWorkload(deployment), prefix: 'spec.template.spec' })),
    ];
    for (const { resource, pod, prefix } of all) {
      if (isControlPlane(resource.labels)) continue;
      const containers = records(pod['containers']);
      const index = containers.findIndex((one) => !OWN_CONTAINERS.has(text(one['name'])) && runsAsProxy(one));
      if (runsAsProxy(pod)) report('IST0144', resource, [], `${prefix}.securityContext.runAsUser`);
      else if (index >= 0) report('IST0144', resource, [], `${prefix}.containers[${index}].securityContext.runAsUser`);
    }
  },
};

function runsAsProxy(holder: Readonly<Record<string, unknown>>): boolean {
  return integer(record(holder['securityContext'])['runAsUser']) === PROXY_USER;
}
