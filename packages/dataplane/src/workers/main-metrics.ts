/** What a worker counts too, because it runs the same code, but what the main thread alone shows. */
const mainOnly =
  /^(?:listener_manager|cluster_manager|server|control_plane|runtime|filesystem|main_thread|workers|xds|sds|dns|overload)\.|^cluster\..*\.(?:outlier_detection\.\w+|membership_\w+|update_\w+|version|assignment_\w+|warming_state|health_check\.\w+|init_fetch_timeout|max_host_weight|lb_subsets_\w+|lb_recalculate_zone_structures|lb_local_cluster_not_ok)$|\.(?:rds|srds|vhds|ecds)\.|\.sds\.|\.server_ssl_socket_factory\.|\.client_ssl_socket_factory\./;

/** Whether a metric tells of configuration, discovery or the process, which the main thread does. */
export function isMainMetric(name: string): boolean {
  return mainOnly.test(name);
}
