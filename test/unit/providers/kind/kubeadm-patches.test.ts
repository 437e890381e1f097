import { expect, test } from "vitest";
import { isAboutConfiguration, patchesAtFault } from "../../../../src/providers/kind/kubeadm-patches.ts";

const PATCHES = [
  "kind: ClusterConfiguration\nnetworking: { dnsDomain: no_domain }\n",
  "kind: KubeletConfiguration\nmaxPods: many\nevictionHard: { memory.available: 1% }\n",
  "kind: KubeProxyConfiguration\nconntrack: { maxPods: 1 }\n",
];

// Lines of kubeadm 1.34.
test.each([
  [
    'error: error unmarshaling configuration schema.GroupVersionKind{Group:"kubelet.config.k8s.io", Version:"v1beta1", Kind:"KubeletConfiguration"}: json: cannot unmarshal string into Go struct field KubeletConfiguration.maxPods of type int32',
    ["cluster.kubeadmPatches[1] (KubeletConfiguration)"],
  ],
  [
    'error: networking.dnsDomain: Invalid value: "no_domain": a lowercase RFC 1123 subdomain must consist of',
    ["cluster.kubeadmPatches[0] (ClusterConfiguration)"],
  ],
  [
    'Kind:"KubeProxyConfiguration"}: strict decoding error: unknown field "conntrack.maxPods"',
    ["cluster.kubeadmPatches[2] (KubeProxyConfiguration)"],
  ],
  [
    '"command failed" err="failed to validate kubelet configuration, error: invalid configuration: maxPods (--max-pods) -7 must be a non-negative number"',
    ["cluster.kubeadmPatches[1] (KubeletConfiguration)", "cluster.kubeadmPatches[2] (KubeProxyConfiguration)"],
  ],
  ['Kind:"ClusterConfiguration"}: strict decoding error: unknown field "etcd.what"', []],
])("%s is about %j", (line, titles) => {
  expect(isAboutConfiguration(line)).toBe(true);
  expect(patchesAtFault(line, PATCHES)).toEqual(titles);
});

test("lines about other things are about no patch", () => {
  expect(isAboutConfiguration("[kubelet-check] The kubelet is not healthy after 4m0s")).toBe(false);
});
