/** What `kubectl rollout restart` writes into a template, so that it is another one than before. */
const RESTARTED_AT = "kubectl.kubernetes.io/restartedAt";

/** The merge patch of a workload that has all its pods replaced (kubectl pkg/polymorphichelpers/objectrestarter.go). */
export function restartPatch(restartedAt: string): object {
  return { spec: { template: { metadata: { annotations: { [RESTARTED_AT]: restartedAt } } } } };
}
