/** What went wrong, by its trace in the output of kind, kubeadm, or a node's journal. The first that matches wins. */
const CAUSES: readonly { pattern: RegExp; reason: string; hint: string }[] = [
  {
    pattern: /too many open files|inotify_init|inotify.*(limit|no space left)/i,
    reason: "a node ran out of inotify instances (too many open files)",
    hint: "sysctl fs.inotify.max_user_instances=8192 fs.inotify.max_user_watches=524288 (as root, on the Docker host)",
  },
  {
    pattern: /port is already allocated|bind: address already in use/i,
    reason: "a port of this host that the lab maps is already taken",
    hint: "choose another hostPort, or stop what listens there",
  },
  {
    pattern: /no space left on device/i,
    reason: "the disk is full",
    hint: "docker system df shows what takes the room",
  },
  {
    pattern: /cannot allocate memory|out of memory|oom-?kill|OutOfMemory/i,
    reason: "there is not enough memory for the nodes",
    hint: "fewer nodes, or more memory for Docker; a node needs about 700 MB",
  },
  {
    pattern: /could not find an available,? non-overlapping|all predefined address pools have been fully subnetted/i,
    reason: "Docker has no subnet left for another network",
    hint: "docker network prune removes networks that nobody uses",
  },
  {
    pattern: /pull access denied|manifest unknown|no such image|failed to pull image|ErrImagePull|ImagePullBackOff/i,
    reason: "an image was not found",
    hint: "cnilab bundle create --from gathers what a lab needs",
  },
  {
    pattern: /could not find a log line that matches/i,
    reason: "systemd did not come up in a node",
    hint: "often inotify limits: sysctl fs.inotify.max_user_instances=8192 (as root, on the Docker host)",
  },
  {
    pattern: /unknown (field|flag)|strict decoding error|error unmarshaling|failed to (decode|parse)/i,
    reason: "kubeadm does not understand its configuration",
    hint: "kubeadm.yaml among the logs of a node is what it was given",
  },
  {
    pattern: /kubelet is not (running|healthy)|healthz.*(connection refused|context deadline)/i,
    reason: "the kubelet did not become healthy",
    hint: "its journal is among the logs",
  },
  {
    pattern: /permission denied.*docker\.sock|cannot connect to the docker daemon/i,
    reason: "the docker command cannot reach the engine",
    hint: "start Docker, or join the docker group",
  },
  {
    pattern: /context deadline exceeded|timed out waiting for the condition/i,
    reason: "the control plane did not become ready in time",
    hint: "a slow or busy host; look at the kubelet's journal among the logs",
  },
];

export interface Cause {
  reason: string;
  hint: string;
  /** The line that says so. */
  line: string;
}

/** The cause that the most telling line names; lines of kind's output first, then of the nodes' journals. */
export function causeOf(lines: readonly string[]): Cause | undefined {
  for (const { pattern, reason, hint } of CAUSES) {
    const line = lines.findLast((each) => pattern.test(each));
    if (line !== undefined) return { reason, hint, line: line.trim() };
  }
  return undefined;
}

/** kubeadm's and kind's lines that say something to a person: no debug lines of client-go, no stack traces. */
export function linesThatMatter(lines: readonly string[], count = 12): string[] {
  const noise =
    /^\s*$|^[IWE]\d{4} .*(round_trippers|with_retry|request\.go)|^k8s\.io\/|^\t|^runtime\.|^main\.|^goroutine|^\s*\/(go|usr\/local\/go)\/|Stack Trace|^github\.com\//;
  const kept = lines.filter((line) => !noise.test(line));
  const errors = kept.filter((line) => /error|fail|fatal|cannot|not found|denied|timed out|refused/i.test(line));
  return (errors.length > 0 ? errors : kept).slice(-count);
}
