import type { KernelFeature, LinkShaper, NodePort } from "../../../cnis/types.ts";
import type { Plan } from "../../../plan/types.ts";
import type { Fault } from "../../fault.ts";
import { cniKernelFeatures, cniPacketBytes, cniPorts } from "../../real/install-cni.ts";
import { EXTERNAL_PORT } from "../external.ts";
import type { LeaseOwner, LeaseState } from "../lease.ts";
import type { MachineRole } from "./facts.ts";

/** What a lab asks of its machines. */
export interface PreflightNeeds {
  /** "calico in mode vxlan", for messages. */
  cni: string;
  /** The CNI's page, for remedies. */
  cniPage: string;
  kernel: readonly KernelFeature[];
  /** What the lab's faults are made with. */
  shapers: readonly LinkShaper[];
  /** Of the CNI. */
  ports: readonly NodePort[];
  /** The largest packet that has to get from machine to machine in one piece. */
  packetBytes: number;
  /** The largest that pods exchange with the host outside the cluster, to which the CNI adds nothing. */
  podBytes: number;
  /** Major and minor of Kubernetes. */
  kubernetes: readonly [number, number];
  /** Machines that this lab holds already have its own cluster on them: that is no finding. */
  owner?: Pick<LeaseOwner, "token">;
  /**
   * `--force`: clusters that we know how to take away, with their ports, do not stop us "before" that is done; "after" it, when this
   * lab holds the machines, they do.
   */
  force?: "before" | "after";
  /** With `--force`: why another's lease may be taken over; undefined where it may not. */
  deathOf?: (state: LeaseState) => string | undefined;
}

/** Throws CNI_MODE_NOT_INSTALLABLE. `kubernetes` is a version such as "1.34.4". */
export function preflightNeeds(
  plan: Plan,
  { kubernetes, ...others }: { kubernetes: string } & Pick<PreflightNeeds, "owner" | "force" | "deathOf">,
): PreflightNeeds {
  const [major = 0, minor = 0] = kubernetes.split(".").map(Number);
  return {
    cni: `${plan.cni.name} in mode ${plan.cni.mode}`,
    cniPage: `docs/cnis/${plan.cni.name}.md`,
    kernel: cniKernelFeatures(plan),
    shapers: linkShapers(plan),
    ports: cniPorts(plan),
    packetBytes: cniPacketBytes(plan),
    podBytes: plan.cni.mtu,
    kubernetes: [major, minor],
    ...others,
  };
}

/** By which the faults of a lab shape links: tc-netem(8), tc-tbf(8). */
function linkShapers({ scenario }: Pick<Plan, "scenario">): LinkShaper[] {
  const kinds = new Set(scenario.flatMap(({ kind, options }) => (kind === "fault" ? [(options as Fault).kind] : [])));
  return [
    ...(kinds.has("loss") || kinds.has("delay") ? (["netem"] as const) : []),
    ...(kinds.has("rateLimit") ? (["tbf"] as const) : []),
  ];
}

const KUBELET: NodePort = { protocol: "tcp", port: 10250, what: "the kubelet" };
const KUBE_PROXY: NodePort = { protocol: "tcp", port: 10256, what: "kube-proxy's health" };

/** kubernetes.io/docs/reference/networking/ports-and-protocols; 10257 and 10259 listen on loopback. */
const CONTROL_PLANE: readonly NodePort[] = [
  { protocol: "tcp", port: 6443, what: "the API server" },
  { protocol: "tcp", port: 2379, what: "etcd's clients" },
  { protocol: "tcp", port: 2380, what: "etcd's peers" },
  { protocol: "tcp", port: 10257, what: "the controller manager" },
  { protocol: "tcp", port: 10259, what: "the scheduler" },
];

/** What the host outside the cluster serves. */
const OUTSIDE: readonly NodePort[] = (["tcp", "udp"] as const).map((protocol) => ({
  protocol,
  port: EXTERNAL_PORT,
  what: "the lab's web server",
}));

/** All that will listen on a machine. */
export function portsOf(role: MachineRole, needs: PreflightNeeds): readonly NodePort[] {
  if (role === "external") return OUTSIDE;
  return [...(role === "control-plane" ? CONTROL_PLANE : []), KUBELET, KUBE_PROXY, ...needs.ports];
}

/** What others have to reach there: etcd is for control planes alone, and some listen on loopback. */
export function portsReachedBy(from: MachineRole, to: MachineRole, needs: PreflightNeeds): readonly NodePort[] {
  if (to === "external") return OUTSIDE;
  // Which node ports it is to reach, the lab decides later.
  if (from === "external") return [];
  const controlPlane = CONTROL_PLANE.filter(
    ({ port }) => port === 6443 || (from === "control-plane" && (port === 2379 || port === 2380)),
  );
  return [...(to === "control-plane" ? controlPlane : []), KUBELET, ...needs.ports];
}
