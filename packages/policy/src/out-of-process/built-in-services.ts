import type { DescFile } from '@bufbuild/protobuf';
import { invariant } from '@xebec/core';
import { file_istio_mixer_template_apikey as apikey } from '@xebec/protos/istio/mixer/template/apikey';
import { file_istio_mixer_template_authorization as authorization } from '@xebec/protos/istio/mixer/template/authorization';
import { file_istio_mixer_template_checknothing as checknothing } from '@xebec/protos/istio/mixer/template/checknothing';
import { file_istio_mixer_template_edge as edge } from '@xebec/protos/istio/mixer/template/edge';
import { file_istio_mixer_template_kubernetes as kubernetes } from '@xebec/protos/istio/mixer/template/kubernetes';
import { file_istio_mixer_template_listentry as listentry } from '@xebec/protos/istio/mixer/template/listentry';
import { file_istio_mixer_template_logentry as logentry } from '@xebec/protos/istio/mixer/template/logentry';
import { file_istio_mixer_template_metric as metric } from '@xebec/protos/istio/mixer/template/metric';
import { file_istio_mixer_template_quota as quota } from '@xebec/protos/istio/mixer/template/quota';
import { file_istio_mixer_template_reportnothing as reportnothing } from '@xebec/protos/istio/mixer/template/reportnothing';
import { file_istio_mixer_template_tracespan as tracespan } from '@xebec/protos/istio/mixer/template/tracespan';
import { templates } from '../template.ts';
import { declaredName, serviceOf, type TemplateService } from './template-service.ts';

const files: readonly DescFile[] = [
  apikey,
  authorization,
  checknothing,
  edge,
  kubernetes,
  listentry,
  logentry,
  metric,
  quota,
  reportnothing,
  tracespan,
];

/** How adapters outside of Mixer are called for the templates that Mixer was built with, by the template's name. */
export const builtInServices: ReadonlyMap<string, TemplateService> = new Map(
  files.map((file): [string, TemplateService] => {
    const name = declaredName(file);
    const service = serviceOf(name, file);
    const template = templates.get(name);
    invariant(service.ok && template !== undefined, `template ${name} is built in`);
    return [name, { ...service.value, template }];
  }),
);
