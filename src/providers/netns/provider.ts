import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cnis } from "../../cnis/registry.ts";
import type { Cni } from "../../cnis/types.ts";
import { LabError } from "../../core/errors.ts";
import type { Plan } from "../../plan/types.ts";
import { API_FAULTS } from "../fault.ts";
import type { Capabilities, Cluster, Provider, UpContext, UpResult } from "../types.ts";
import { LabConnection } from "./client.ts";
import { NetnsCluster } from "./cluster.ts";
import { isLabAlive, LAB_FILES, LOG_FILE, launchLab, withSocketPath, KUBECONFIG_FILE } from "./launch.ts";
import { killLab } from "./kill.ts";
import { netnsPreflight } from "./preflight.ts";

const capabilities: Capabilities = {
  cnis: {
    flannel: ["vxlan", "host-gw", "wireguard"],
    calico: ["vxlan", "cross-subnet", "direct", "ipip", "wireguard"],
    weave: ["sleeve", "fastdp"],
  },
  cniLacks: (name, config) => (cnis as Record<string, Cni>)[name]?.dataplane?.lacks?.(config),
  probes: ["ping", "curl", "dns", "tcp", "udp", "iperf", "matrix", "path", "mtu", "plaintext", "convergence"],
  scenarios: ["apply", "delete", "wait", "scale", "exec", "fault", "restore"],
  faults: [
    "linkDown",
    "nodeDown",
    "partition",
    ...API_FAULTS,
    "mtu",
    "loss",
    "rateLimit",
    "delay",
    "kubeProxyStopped",
    "policyAgentStopped",
    "dnsStopped",
    "cniMissing",
    "duplicateAddress",
    "conntrackFull",
  ],
  features: [
    "external-host",
    "several-node-networks",
    "link-mtu",
    "drop-proof",
    "node-exec",
    "add-ons",
    "node-taints",
    "cluster-settings",
    "dual-stack",
  ],
};

const LOG_LINES = 20;

function lastLogLines(stateDirectory: string): string {
  return readFileSync(join(stateDirectory, LOG_FILE), "utf8").trim().split("\n").slice(-LOG_LINES).join("\n");
}

function connect(stateDirectory: string): Promise<LabConnection> {
  return withSocketPath(stateDirectory, (path) => LabConnection.open(path));
}

function isGone(error: unknown): boolean {
  return error instanceof LabError && (error.code === "LAB_PROCESS_GONE" || error.code === "LAB_NOT_RUNNING");
}

function removeFiles(stateDirectory: string): void {
  for (const file of LAB_FILES) rmSync(join(stateDirectory, file), { recursive: true, force: true });
}

async function up(plan: Plan, context: UpContext): Promise<UpResult> {
  const { stateDirectory, signal } = context;
  const launched = await launchLab(stateDirectory);
  const undo = async (): Promise<void> => {
    launched.endLease();
    await down({}, stateDirectory);
  };
  const died = launched.ended.then((how) => {
    const log = lastLogLines(stateDirectory);
    throw new LabError(
      "LAB_PROCESS_ENDED",
      `the lab process ended while it started (${how})${log === "" ? "" : `:\n${log}`}`,
      {
        hint: "cnilab doctor shows what this host lacks",
      },
    );
  });
  try {
    const connection = await Promise.race([connect(stateDirectory), died]);
    await Promise.race([connection.call("up", { plan, stateDirectory }, signal), died]);
    // From here on an end of the process is told by the connection.
    died.catch(() => undefined);
    return {
      cluster: new NetnsCluster(connection),
      handle: {},
      detach: async () => {
        await connection.call("detach", null);
        launched.forget();
      },
    };
  } catch (error) {
    // A connection breaks before the process is known to have ended: its end, and its log, say why.
    const reason: unknown = isGone(error) ? await died.catch((cause: unknown) => cause) : error;
    await undo();
    throw reason;
  }
}

async function down(_handle: unknown, stateDirectory: string): Promise<void> {
  const release = await killLab(stateDirectory);
  removeFiles(stateDirectory);
  release();
}

async function attach(_handle: unknown, stateDirectory: string): Promise<Cluster> {
  if (!isLabAlive(stateDirectory)) {
    throw new LabError("LAB_NOT_RUNNING", "the lab is not running", {
      hint: "cnilab up LAB starts it",
    });
  }
  return new NetnsCluster(await connect(stateDirectory));
}

/** Clusters of network namespaces on this host: no Docker, no root, seconds. */
export const netns: Provider = {
  kind: "netns",
  summary: "network namespaces on this host; Kubernetes is cnilab's own embedded engine",
  models: "links, routes and rules are the kernel's, made as this CNI makes them; container images are not run",
  capabilities: () => capabilities,
  isQuickToRemake: true,
  preflight: netnsPreflight,
  up,
  attach,
  kubeconfig: (stateDirectory) => join(stateDirectory, KUBECONFIG_FILE),
  isUp: (_handle, stateDirectory) => Promise.resolve(isLabAlive(stateDirectory)),
  down,
};
