/** What our dashboards are made of: little, so that all of them look and read alike. */

export type Unit = 'reqps' | 'percentunit' | 'ms' | 's' | 'Bps' | 'bytes' | 'short' | 'ops' | 'cores' | 'none';

export interface Query {
  readonly expr: string;
  /** Grafana's template for the line's name: `{{pod}}`. */
  readonly legend: string;
}

export interface Panel {
  readonly title: string;
  readonly kind: 'timeseries' | 'stat' | 'table';
  readonly unit: Unit;
  readonly queries: readonly Query[];
  /** What it tells, and what to do about it. */
  readonly description: string;
  /** Why there may be nothing to see in a mesh that is well. */
  readonly emptyWhen?: string;
  /** Of 24 columns. */
  readonly width: number;
  /** Values from which on it is yellow, and red. A first that is larger than the second means that less is worse. */
  readonly limits?: readonly [warn: number, alarm: number];
}

export interface Variable {
  readonly name: string;
  readonly label: string;
  /** `label_values(metric, label)`. */
  readonly metric: string;
  readonly from: string;
  /** Keeps values that it matches. */
  readonly keep?: string;
  readonly several: boolean;
}

export interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  readonly variables: readonly Variable[];
  readonly rows: readonly { readonly title: string; readonly panels: readonly Panel[] }[];
}

/** Series of proxies; Mixer's reports tell of the same requests once more and are left out. */
export const proxies: Variable = {
  name: 'job',
  label: 'Reported by',
  metric: 'istio_build',
  from: 'job',
  keep: '^(?!.*mixer)',
  several: true,
};

const datasource = { type: 'prometheus', uid: '$datasource' };
const panelHeight = { stat: 4, timeseries: 8, table: 9 } as const;
const columns = 24;

/** The dashboard as the JSON that Grafana imports (schema version 39), panels set from left to right. */
export function toGrafana(dashboard: Dashboard): object {
  const panels: object[] = [];
  let id = 0;
  let y = 0;
  for (const row of dashboard.rows) {
    panels.push({ id: ++id, type: 'row', title: row.title, collapsed: false, gridPos: { h: 1, w: columns, x: 0, y: y++ }, panels: [] });
    let x = 0;
    let lineHeight = 0;
    for (const panel of row.panels) {
      const h = panelHeight[panel.kind];
      if (x + panel.width > columns) {
        x = 0;
        y += lineHeight;
        lineHeight = 0;
      }
      panels.push({ id: ++id, ...grafanaPanel(panel), gridPos: { h, w: panel.width, x, y } });
      x += panel.width;
      lineHeight = Math.max(lineHeight, h);
    }
    y += lineHeight;
  }
  return {
    uid: dashboard.uid,
    title: dashboard.title,
    description: dashboard.description,
    tags: ['xebec'],
    timezone: 'browser',
    editable: true,
    graphTooltip: 1,
    schemaVersion: 39,
    version: 1,
    refresh: '10s',
    time: { from: 'now-30m', to: 'now' },
    links: [
      {
        type: 'dashboards',
        title: 'Xebec',
        tags: ['xebec'],
        asDropdown: true,
        includeVars: true,
        keepTime: true,
        targetBlank: false,
        icon: 'external link',
        tooltip: '',
        url: '',
      },
    ],
    annotations: { list: [] },
    templating: { list: [sourceVariable, ...dashboard.variables.map(grafanaVariable)] },
    panels,
  };
}

const sourceVariable = {
  name: 'datasource',
  label: 'Data source',
  type: 'datasource',
  query: 'prometheus',
  hide: 0,
  includeAll: false,
  multi: false,
  options: [],
  refresh: 1,
  regex: '',
  skipUrlSync: false,
};

function grafanaVariable({ name, label, metric, from, keep, several }: Variable): object {
  const definition = `label_values(${metric}, ${from})`;
  return {
    name,
    label,
    type: 'query',
    datasource,
    definition,
    query: { query: definition, refId: `variable-${name}` },
    ...(several ? { current: { selected: true, text: ['All'], value: ['$__all'] } } : {}),
    hide: 0,
    includeAll: several,
    multi: several,
    options: [],
    // On each change of the time range: workloads come and go.
    refresh: 2,
    regex: keep === undefined ? '' : `/${keep}.*/`,
    skipUrlSync: false,
    sort: 1,
  };
}

function grafanaPanel(panel: Panel): object {
  const { kind, unit, title, limits } = panel;
  const description = panel.emptyWhen === undefined ? panel.description : `${panel.description}\n\nEmpty when: ${panel.emptyWhen}`;
  const instant = kind !== 'timeseries';
  const targets = panel.queries.map(({ expr, legend }, i) => ({
    refId: String.fromCharCode(65 + i),
    datasource,
    expr,
    legendFormat: legend,
    editorMode: 'code',
    instant,
    range: !instant,
    ...(kind === 'table' ? { format: 'table' } : {}),
  }));
  const shown = unit === 'cores' ? 'none' : unit;
  const defaults = { unit: shown, min: 0, decimals: unit === 'percentunit' ? 2 : undefined, ...colours(limits), custom: custom(kind) };
  const base = { type: kind, title, description, datasource, targets, fieldConfig: { defaults, overrides: [] } };
  switch (kind) {
    case 'stat':
      return {
        ...base,
        options: {
          colorMode: limits === undefined ? 'none' : 'value',
          graphMode: 'none',
          justifyMode: 'auto',
          orientation: 'auto',
          percentChangeColorMode: 'standard',
          showPercentChange: false,
          wideLayout: true,
          reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
          textMode: 'auto',
        },
      };
    case 'table':
      return {
        ...base,
        options: { frameIndex: 0, showHeader: true, cellHeight: 'sm', sortBy: [{ displayName: 'Value', desc: true }] },
        transformations: [{ id: 'organize', options: { excludeByName: { Time: true }, renameByName: {} } }],
      };
    default:
      return {
        ...base,
        options: {
          legend: { showLegend: true, displayMode: 'table', placement: 'bottom', calcs: ['lastNotNull', 'max'] },
          tooltip: { mode: 'multi', sort: 'desc' },
        },
      };
  }
}

function custom(kind: Panel['kind']): object {
  return kind === 'timeseries'
    ? { drawStyle: 'line', lineWidth: 1, fillOpacity: 10, showPoints: 'never', spanNulls: false, stacking: { mode: 'none', group: 'A' } }
    : kind === 'table'
      ? { align: 'auto', cellOptions: { type: 'auto' }, filterable: true, inspect: false }
      : {};
}

function colours(limits: Panel['limits']): object {
  if (limits === undefined) return { color: { mode: 'palette-classic' } };
  const [warn, alarm] = limits;
  const steps =
    warn <= alarm
      ? [
          { color: 'green', value: null },
          { color: 'yellow', value: warn },
          { color: 'red', value: alarm },
        ]
      : [
          { color: 'red', value: null },
          { color: 'yellow', value: alarm },
          { color: 'green', value: warn },
        ];
  return { color: { mode: 'thresholds' }, thresholds: { mode: 'absolute', steps } };
}
