import { setTimeout as pause } from "node:timers/promises";
import { LabError } from "../../core/errors.ts";
import type { Plan } from "../../plan/types.ts";
import type { KubernetesApi } from "../real/api/kubernetes-api.ts";
import type { NodeFaults } from "../real/cluster.ts";
import { agentContainers, untilNodeReady } from "../real/node-ready.ts";
import type { FaultOf, NodeFault, NodeFaultPlace } from "../fault.ts";
import { cutLink, mendLink, shapeLink, type BrokenLink, type LinkShape } from "./link-fault.ts";
import type { Remotes } from "./machines.ts";
import type { Machine } from "./machine-script.ts";
import { rebootMachine } from "./reboot.ts";
import { readSshState, writeSshState, type SshState } from "./state.ts";

/** How long a link stays down that we come by ourselves, where the fault does not say: only the machine can mend it. */
const OUR_WAY_MS = 60_000;
/** Servers' firmware takes minutes. */
const REBOOT_TIMEOUT_MS = 600_000;
/** After the machine should have mended its link. */
const BACK_WITHIN_MS = 60_000;
const TRY_MS = 500;
/** What reaching a machine fails by while its link is down. */
const AWAY = new Set(["SSH_UNREACHABLE", "REMOTE_LOST", "REMOTE_TIMEOUT"]);

interface FaultParts {
  api: KubernetesApi;
  plan: Plan;
  remotes: Remotes;
  stateDirectory: string;
}

/** Faults on machines: their own systemd restarts them, links go down behind a dead man's switch. */
export function machineFaults(parts: FaultParts): NodeFaults {
  return {
    fault: (fault) => breakMachine(parts, fault),
    restore: (fault) => mendMachine(parts, fault),
    broken: () => Promise.resolve([...new Set(linksDown(parts).map(({ node }) => node))]),
  };
}

async function breakMachine(parts: FaultParts, fault: NodeFault): Promise<void> {
  const machine = machineOf(parts, fault.node);
  switch (fault.kind) {
    case "pause":
      throw new LabError("FAULT_NOT_POSSIBLE", `machine ${fault.node} cannot be paused: nothing outside it could`);
    case "linkDown": {
      const name = interfaceOf(parts, fault);
      const link = await cut(machine, name, fault.durationMs);
      await remember(parts, fault, { node: fault.node, interface: name, mendsAt: Date.now() + link.mendsInMs });
      return;
    }
    case "loss":
    case "rateLimit":
    case "delay": {
      const { durationMs } = fault;
      const options = durationMs === undefined ? {} : { durationMs };
      await shapeLink(machine, interfaceOf(parts, fault), shapeOf(fault), options);
      return;
    }
    case "killCniAgent":
      for (const id of await agentContainers(parts.api, parts.plan, fault.node)) {
        const argv = ["ctr", "-n", "k8s.io", "tasks", "kill", "--all", "--signal", "SIGKILL", id];
        const { exitCode, stderr } = await machine.remote.run(argv, { sudo: true });
        if (exitCode !== 0) throw new LabError("REMOTE_FAILED", `${fault.node}: ${stderr.trim()}`);
      }
      return;
    case "restart": {
      const since = new Date();
      await rebootMachine(machine, { timeoutMs: REBOOT_TIMEOUT_MS });
      await forget(parts, fault.node);
      await untilNodeReady(parts, fault.node, since, { restarted: true });
      return;
    }
  }
}

/** A link that we come by is broken for a time that the machine keeps. */
async function cut(machine: Machine, name: string, durationMs: number | undefined): Promise<BrokenLink> {
  if (durationMs !== undefined) return cutLink(machine, name, { durationMs });
  try {
    return await cutLink(machine, name);
  } catch (error) {
    if (!(error instanceof LabError) || error.code !== "FAULT_NEEDS_DURATION") throw error;
    return cutLink(machine, name, { durationMs: OUR_WAY_MS });
  }
}

async function mendMachine(parts: FaultParts, fault: NodeFaultPlace): Promise<void> {
  if (!("interface" in fault)) throw new LabError("FAULT_NOT_RESTORABLE", `a fault ${fault.kind} mends itself`);
  const machine = machineOf(parts, fault.node);
  const name = interfaceOf(parts, fault);
  if (fault.kind !== "linkDown") {
    await mendLink(machine, name);
    return;
  }
  const { mendsAt = Date.now() } =
    linksDown(parts).find(({ node, interface: own }) => node === fault.node && own === name) ?? {};
  for (;;) {
    try {
      await mendLink(machine, name);
      break;
    } catch (error) {
      const isAway = error instanceof LabError && AWAY.has(error.code);
      if (!isAway || Date.now() > mendsAt + BACK_WITHIN_MS) throw error;
      await pause(TRY_MS);
    }
  }
  await remember(parts, fault, undefined);
  await untilNodeReady(parts, fault.node, new Date());
}

function shapeOf(fault: FaultOf<"loss" | "rateLimit" | "delay">): LinkShape {
  switch (fault.kind) {
    case "loss":
      return { loss: fault.percent / 100 };
    case "rateLimit":
      return { rateBps: fault.bitsPerSecond };
    case "delay":
      return { delayMs: fault.delayMs };
  }
}

function machineOf({ remotes }: FaultParts, node: string): Machine {
  const remote = remotes.get(node);
  if (remote === undefined) throw new LabError("SOURCE_MISSING", `the lab has no node ${node}`);
  return { name: node, remote };
}

/** Labs call a node's interfaces eth0, eth1, …; a machine's first is the one that other nodes reach it by. */
function interfaceOf({ plan }: FaultParts, { node, interface: wanted }: { node: string; interface: string }): string {
  const own = plan.topology.nodes.find(({ name }) => name === node)?.interfaces[0]?.name;
  return wanted === "eth0" ? (own ?? wanted) : wanted;
}

type LinkDown = NonNullable<SshState["linksDown"]>[number];

function linksDown({ stateDirectory }: Pick<FaultParts, "stateDirectory">): LinkDown[] {
  const now = Date.now();
  // The switch has mended the others.
  return (readSshState(stateDirectory)?.linksDown ?? []).filter(({ mendsAt }) => mendsAt > now);
}

async function remember(
  parts: FaultParts,
  fault: NodeFaultPlace & { kind: "linkDown" },
  link: LinkDown | undefined,
): Promise<void> {
  const name = interfaceOf(parts, fault);
  const others = linksDown(parts).filter((each) => each.node !== fault.node || each.interface !== name);
  await write(parts, link === undefined ? others : [...others, link]);
}

/** A machine that was started anew has its links as they were configured. */
async function forget(parts: FaultParts, node: string): Promise<void> {
  await write(
    parts,
    linksDown(parts).filter((link) => link.node !== node),
  );
}

async function write({ stateDirectory }: FaultParts, links: LinkDown[]): Promise<void> {
  const state = readSshState(stateDirectory);
  if (state === undefined) throw new LabError("LAB_NOT_RUNNING", "the lab was removed meanwhile");
  await writeSshState(stateDirectory, { ...state, linksDown: links });
}
