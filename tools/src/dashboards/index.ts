import { controlPlaneDashboard, performanceDashboard } from './control-plane-dashboards.ts';
import { type Dashboard, toGrafana } from './dashboard.ts';
import { meshDashboard, serviceDashboard, workloadDashboard } from './traffic-dashboards.ts';

export const dashboards: readonly Dashboard[] = [
  meshDashboard,
  serviceDashboard,
  workloadDashboard,
  controlPlaneDashboard,
  performanceDashboard,
];

/** File names in deploy/dashboards, with their contents. */
export function dashboardFiles(): Map<string, string> {
  return new Map(
    dashboards.map((dashboard) => [
      `${dashboard.uid.replace('xebec-', '')}.json`,
      `${JSON.stringify(toGrafana(dashboard), undefined, 2)}\n`,
    ]),
  );
}
