/** What our own pods and the host outside the cluster run; one of those images that a cluster must have before it is ready. */
export const AGNHOST_IMAGE = "registry.k8s.io/e2e-test-images/agnhost:2.53";
