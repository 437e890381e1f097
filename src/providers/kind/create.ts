import { writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type Dockerode from "dockerode";
import { LabError } from "../../core/errors.ts";
import { dockerHost } from "../../exec/docker-address.ts";
import { mustExecIn } from "../../exec/docker.ts";
import { killProcessGroup, runLocal } from "../../exec/local.ts";
import type { KubernetesApi } from "../real/api/kubernetes-api.ts";
import { openKubernetesApi } from "../real/api/kubernetes-api.ts";
import { causeOf, linesThatMatter, type Cause } from "./failure.ts";
import { isAboutConfiguration, kubeadmComplaint, patchesAtFault } from "./kubeadm-patches.ts";
import { collectLogs } from "./node-logs.ts";
import { OWNER_VARIABLE } from "./processes.ts";
import { KUBECONFIG_FILE, type KindState } from "./state.ts";

const API_PORT = "6443/tcp";

export interface CreateOptions {
  docker: Dockerode;
  state: KindState;
  stateDirectory: string;
  /** kind's configuration. */
  config: string;
  kindExecutable: string;
  nodeImage: string;
  /** To be looked into for commands before all others. */
  commandFolder: string | undefined;
  /** The lab's own; kubeadm is asked what it thinks of them before it works with them. */
  kubeadmPatches: readonly string[];
  signal: AbortSignal;
  progress: (message: string) => void;
  /** All node containers run; Kubernetes is not there yet. */
  onNodesMade: () => void;
  /** kubeadm's configuration is in the nodes; it starts about now. */
  onConfigured: () => void;
}

/**
 * `kind create cluster`, to its end; nodes are kept whatever comes. Rejects with KIND_CREATE_FAILED, which names the cause, the
 * last lines that matter and the folder of logs, or with the signal's reason once kind and its commands are killed.
 */
export async function createCluster(options: CreateOptions): Promise<void> {
  const { docker, state, stateDirectory, kindExecutable, nodeImage, kubeadmPatches } = options;
  const { signal, progress, commandFolder } = options;
  const configFile = join(stateDirectory, "kind.yaml");
  writeFileSync(configFile, options.config, { mode: 0o600 });
  const kubeconfig = join(stateDirectory, KUBECONFIG_FILE);
  const args = ["create", "cluster", "--name", state.cluster, "--config", configFile];
  let kindPid: number | undefined;
  let complaint: string | undefined;
  let asking: Promise<PromiseSettledResult<void>[]> = Promise.resolve([]);
  const askKubeadm = async (): Promise<void> => {
    const [first = ""] = Object.values(state.nodes);
    complaint = await kubeadmComplaint(docker.getContainer(first), signal);
    if (complaint !== undefined) killProcessGroup(kindPid);
  };
  const result = await runLocal(
    kindExecutable,
    // Without --retain kind removes failed nodes before their logs can be read.
    [...args, "--image", nodeImage, "--kubeconfig", kubeconfig, "--retain"],
    {
      env: {
        KIND_EXPERIMENTAL_PROVIDER: "docker",
        KIND_EXPERIMENTAL_DOCKER_NETWORK: state.cluster,
        KIND_EXPERIMENTAL_CONTAINERD_SNAPSHOTTER: undefined,
        KUBECONFIG: undefined,
        ...(commandFolder === undefined ? {} : { PATH: `${commandFolder}${delimiter}${process.env["PATH"] ?? ""}` }),
        DOCKER_HOST: dockerHost(process.env),
        [OWNER_VARIABLE]: state.owner,
      },
      signal,
      onStart: (pid) => {
        kindPid = pid;
      },
      onLine: (line) => {
        const [, mark, step] = /^\s*([•✓])\s+(.*?)[\s.]*$/u.exec(line) ?? [];
        // Pictograms are for kind's own terminal.
        const title = step?.replaceAll(/[^\p{ASCII}]/gu, "").trim();
        if (mark === "✓" && title?.startsWith("Preparing nodes") === true) options.onNodesMade();
        if (mark === "✓" && title?.startsWith("Writing configuration") === true) {
          options.onConfigured();
          if (kubeadmPatches.length > 0) asking = Promise.allSettled([askKubeadm()]);
        }
        if (mark === "•" && title !== undefined && title !== "") progress(`kind: ${title}`);
      },
    },
  );
  if (result.notStarted !== undefined) {
    throw new LabError("KIND_CREATE_FAILED", `kind cannot be started: ${result.notStarted}`);
  }
  const [asked] = await asking;
  if (result.exitCode === 0 && complaint === undefined) {
    if (asked?.status === "rejected") throw asked.reason;
    return;
  }
  const logs = await collectLogs(docker, state, { stateDirectory, kindLines: result.lines });
  signal.throwIfAborted();
  const cause =
    causeOfPatches([...(complaint === undefined ? [] : [complaint]), ...result.lines, ...logs.lines], kubeadmPatches) ??
    causeOf([...result.lines, ...(complaint === undefined ? [] : [complaint])]) ??
    causeOf(logs.lines);
  const why = cause?.reason ?? `kind ended with ${result.exitCode ?? result.signal ?? "an error"}`;
  const lines = [...(cause === undefined ? [] : [cause.line]), ...linesThatMatter(result.lines)];
  throw new LabError(
    "KIND_CREATE_FAILED",
    [`kind could not make the cluster: ${why}`, ...new Set(lines), `logs: ${logs.folder}`].join("\n  "),
    { hint: cause?.hint ?? "look at the logs; cnilab doctor shows what this host lacks" },
  );
}

/** What kubeadm or a kubelet says of a patch of the lab, in the first line that names one. */
function causeOfPatches(lines: readonly string[], patches: readonly string[]): Cause | undefined {
  for (const line of lines.filter(isAboutConfiguration)) {
    const [first, ...others] = patchesAtFault(line, patches);
    if (first === undefined) continue;
    return {
      reason: `${[first, ...others].join(" or ")} is refused`,
      hint: "its fields: kubernetes.io/docs/reference/config-api",
      line: line.trim(),
    };
  }
  return undefined;
}

/** Address of the API server on the Docker host, as kind publishes it. */
async function apiAddress(docker: Dockerode, state: KindState): Promise<string> {
  const controlPlanes = Object.values(state.nodes).filter((name) => /-control-plane\d*$/.test(name));
  const name = controlPlanes.length > 1 ? `${state.cluster}-external-load-balancer` : (controlPlanes[0] ?? "");
  const { NetworkSettings } = await docker.getContainer(name).inspect();
  const binding = NetworkSettings.Ports[API_PORT]?.[0];
  if (binding === undefined) throw new LabError("LAB_STOPPED", `container ${name} publishes no API server`);
  return `https://${binding.HostIp}:${binding.HostPort}`;
}

/**
 * A client of the API server while kubeadm still works: kind writes its kubeconfig only when all nodes have joined. Resolves as
 * soon as the server lets the administrator in.
 */
export async function openEarlyApi(docker: Dockerode, state: KindState, signal: AbortSignal): Promise<KubernetesApi> {
  const [first = ""] = Object.values(state.nodes);
  const script = "until [ -s /etc/kubernetes/admin.conf ]; do sleep .1; done; cat /etc/kubernetes/admin.conf";
  const yaml = await mustExecIn(docker.getContainer(first), ["sh", "-c", script], { signal });
  const address = await apiAddress(docker, state);
  const api = await openKubernetesApi(yaml.replace(/^(\s*server:\s*).*$/m, `$1${address}`));
  for (;;) {
    signal.throwIfAborted();
    try {
      await api.get({ kind: "Namespace", name: "kube-system" });
      return api;
    } catch (error) {
      // Refused while the server starts, forbidden until kubeadm has bound the administrators' group.
      const code = error instanceof LabError ? error.code : "";
      if (code !== "API_UNREACHABLE" && code !== "API_FORBIDDEN" && code !== "API_REFUSED") {
        api.close();
        throw error;
      }
      await delay(200, undefined, { signal });
    }
  }
}
