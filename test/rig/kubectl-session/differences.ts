/*
 * Where a lab's kubectl says otherwise than a real cluster's, and why. What `cut` matches is taken out of both before they are compared; the
 * rest of the step must be the same. An entry that matches neither is out of date, and fails the test.
 */

/** A difference that is meant. */
export interface Difference {
  /** Steps it is about: their whole command line. */
  steps: readonly string[];
  why: string;
  cut: RegExp;
}

export const differences: readonly Difference[] = [
  {
    steps: ["api-versions"],
    why: "groups that nothing in a lab uses are not served; Calico's definitions are not in a lab, those of admin policies are",
    cut: /^(?:(?:admissionregistration|apiregistration|certificates|events|resource)\.k8s\.io|flowcontrol\.apiserver\.k8s\.io|autoscaling\/v1|crd\.projectcalico\.org|policy\.networking\.k8s\.io).*\n/gm,
  },
  {
    steps: ["describe pod $POD -n session"],
    why: "no image is pulled, no token is mounted, Calico's annotations are the real Calico's, and conditions are in another order",
    cut: /^ +(?:Container ID|Image ID):.*\n|^ +PodReadyToStartContainers .*\n|^Annotations: [^]*?(?=^Status:)|^ +Mounts:[^]*?(?=^Conditions:)|^(?:Conditions|Volumes):[^]*?(?=^QoS Class:)/gm,
  },
  {
    steps: [
      "describe deployment web -n session",
      "describe pod $POD -n session",
      "get events -n session --field-selector=involvedObject.name=single -o jsonpath={.items[*].reason}",
    ],
    why: "ages are each cluster's own, and so is what is told of images that are pulled, of probes that failed first, and how often",
    cut: /^Events:[^]*?(?=^-- standard error)|^(?:Scheduled|Pulled|Created|Started|ReadinessGateSatisfied| )+$/gm,
  },
  {
    steps: ["exec single -n session -- nosuchprogram"],
    why: "the text of a container runtime, which a lab has not",
    cut: /(?<=^error: Internal error occurred: ).*(?=executable file not found in \$PATH)|: unknown$/gm,
  },
  {
    steps: [
      "run bad_name -n session --image=registry.k8s.io/e2e-test-images/agnhost:2.53",
      "apply -n session -f {not-a-name}",
    ],
    why: "names are refused in cnilab's words, as in a manifest",
    cut: /(?<=Invalid value: ).*/g,
  },
  {
    steps: ["apply -n session -f {wrong-type}"],
    why: "a wrong type is told in cnilab's words, as in a manifest; the API tells Go's",
    cut: /(?<=cannot be handled as a Service: ).*/g,
  },
  {
    steps: [
      `patch svc web -n session --type=json -p '[{"op":"replace","path":"/spec/sessionAffinity","value":"None"}]'`,
    ],
    why: "the API drops the field without a word",
    cut: /^Warning: sessionAffinityConfig is dropped.*\n/gm,
  },
];
