/** What a workload's agent says of its application. */
export interface WorkloadHealth {
  readonly healthy: boolean;
  readonly message: string;
}
