import { protocolOfPort } from '@xebec/model';
import type { Message } from '../message.ts';
import { type AnalysisView, subjectOfRaw } from '../view.ts';

/** IST0118: a TCP port whose protocol has to be guessed, because neither its name nor appProtocol says it. */
export function analyzePortNames(view: AnalysisView): Message[] {
  return view.services
    .filter(({ object }) => object.metadata.namespace !== 'kube-system' && object.metadata.namespace !== view.rootNamespace)
    .flatMap(({ object, ports }) =>
      ports.flatMap((port, index) => {
        if (port.protocol === 'UDP') return [];
        const naming = {
          name: port.name,
          number: port.number,
          ...(port.appProtocol === undefined ? {} : { appProtocol: port.appProtocol }),
        };
        if (protocolOfPort(naming) !== 'auto') return [];
        const text = `Port name ${port.name} (port: ${port.number}) doesn't follow the naming convention of Istio port: <protocol>[-<suffix>].`;
        return [{ code: 'IST0118', subject: subjectOfRaw(object), path: `spec.ports[${index}].name`, text } as const];
      }),
    );
}
