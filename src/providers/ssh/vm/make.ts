import { randomUUID } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { LabError } from "../../../core/errors.ts";
import type { Plan, PlannedMachine, PlannedNetwork, PlannedNode, PlannedVm } from "../../../plan/types.ts";
import { VM_FILES, portSocket, switchArguments, vmArguments, type Accelerator } from "./arguments.ts";
import { chooseAccelerator, findQemu, runFirmware, type Qemu } from "./host.ts";
import { layOverImage } from "./image.ts";
import { makeKey, type KeyPair } from "./keys.ts";
import { startProcess } from "./processes.ts";
import { askQmp } from "./qmp.ts";
import { seedImage } from "./seed.ts";
import { nodeFolder, vmsFolder, writeVmState } from "./state.ts";

export interface MakeVmsOptions {
  stateDirectory: string;
  signal: AbortSignal;
  progress: (message: string) => void;
}

/** Virtual machines that run, and may not yet answer. */
export interface MadeVms {
  /** All of the plan; those that were made with the way to them. */
  machines: PlannedMachine[];
  accelerator: Accelerator;
}

interface VirtualMachine {
  node: PlannedNode;
  machine: PlannedMachine;
  vm: PlannedVm;
  uuid: string;
  folder: string;
}

/** A network of the lab in which several virtual machines are. */
interface Switch {
  network: string;
  nodes: string[];
  uuid: string;
  folder: string;
}

/** Whether a lab has virtual machines to be made. */
export function hasVms({ machines = [] }: Pick<Plan, "machines">): boolean {
  return machines.some(({ vm }) => vm !== undefined);
}

/**
 * Makes a plan's virtual machines and starts them. Each has a disk over its image, an interface of its own that this host comes by, and
 * the lab's interfaces, in networks that only they are in. What is started is in the lab's state directory before. Rejects with
 * VM_…; `endVms` removes what was made then.
 */
export async function makeVms(plan: Plan, { stateDirectory, signal, progress }: MakeVmsOptions): Promise<MadeVms> {
  const qemu = await findQemu(process.env["PATH"]);
  const { accelerator, reason } = await chooseAccelerator(runFirmware(qemu.system, signal));
  const root = vmsFolder(stateDirectory);
  const vms = vmsOf(plan);
  const switches = switchesOf(vms);
  const how = accelerator === "tcg" ? `emulated, which is slow (${reason})` : `with KVM (${reason})`;
  progress(`${vms.length} virtual ${vms.length === 1 ? "machine is" : "machines are"} made, ${how}`);
  await writeVmState(stateDirectory, {
    processes: [...vms, ...switches].map(({ uuid, folder }) => ({ folder, uuid })),
    nodes: vms.map(({ node }) => node.name),
  });
  for (const { folder } of [...vms, ...switches]) await mkdir(join(root, folder), { recursive: true, mode: 0o700 });
  const login = await makeKey(join(root, "key"), signal);
  // Nothing of the user's own configuration is meant for them.
  await writeFile(join(root, "ssh_config"), "IdentitiesOnly yes\nIdentityAgent none\n", { mode: 0o600 });
  for (const { network, uuid, folder, nodes } of switches) {
    const what = `the switch of network ${network}`;
    await startProcess(qemu.system, switchArguments(uuid, nodes.length), { folder: join(root, folder), what, signal });
  }
  // Whoever removes them after one failed must not do so while others still start.
  const made = await Promise.allSettled(
    vms.map((each) =>
      startVm(each, { networks: plan.topology.networks, qemu, accelerator, switches, login, root, signal }),
    ),
  );
  const reached = new Map<string, PlannedMachine>();
  for (const each of made) {
    if (each.status === "rejected") throw each.reason;
    reached.set(each.value.node, each.value);
  }
  return { machines: (plan.machines ?? []).map((machine) => reached.get(machine.node) ?? machine), accelerator };
}

function vmsOf({ topology, machines = [] }: Plan): VirtualMachine[] {
  return machines.flatMap((machine) => {
    const node = topology.nodes.find(({ name }) => name === machine.node);
    if (machine.vm === undefined || node === undefined) return [];
    return [{ node, machine, vm: machine.vm, uuid: randomUUID(), folder: nodeFolder(node.name) }];
  });
}

function switchesOf(vms: readonly VirtualMachine[]): Switch[] {
  const nodes = new Map<string, string[]>();
  for (const { node } of vms) {
    for (const { network } of node.interfaces) nodes.set(network, [...(nodes.get(network) ?? []), node.name]);
  }
  return [...nodes]
    .filter(([, inIt]) => inIt.length > 1)
    .map(([network, inIt]) => ({ network, nodes: inIt, uuid: randomUUID(), folder: `network-${network}` }));
}

interface StartOptions {
  networks: readonly PlannedNetwork[];
  qemu: Qemu;
  accelerator: Accelerator;
  switches: readonly Switch[];
  login: KeyPair;
  root: string;
  signal: AbortSignal;
}

async function startVm(
  { node, machine, vm, uuid, folder: name }: VirtualMachine,
  { networks, qemu, accelerator, switches, login, root, signal }: StartOptions,
): Promise<PlannedMachine> {
  const folder = join(root, name);
  await layOverImage(qemu.image, vm, { folder, signal });
  const hostKey = await makeKey(join(folder, "host_key"), signal);
  const interfaces = node.interfaces.map(({ name: label, network, addresses, prefixLengths, mtu }, index) => {
    const own = switches.find((each) => each.network === network);
    const socket = own === undefined ? undefined : join("..", own.folder, portSocket(own.nodes.indexOf(node.name)));
    const cidrs = addresses.map((address, family) => `${address}/${prefixLengths[family]}`);
    const gateway = networks.find(({ name: each }) => each === network)?.gateways[0] ?? "";
    return { name: label, mac: macAddress(uuid, index + 1), socket, addresses: cidrs, gateway, mtu };
  });
  const management = macAddress(uuid, 0);
  const { user = "" } = machine;
  const seed = seedImage({
    uuid,
    hostname: node.name,
    user,
    authorizedKey: login.publicKey,
    hostKey,
    management: { mac: management, internet: vm.internet },
    interfaces,
  });
  await writeFile(join(folder, VM_FILES.seed), seed, { mode: 0o600 });
  const args = vmArguments({ vm, uuid, accelerator, managementMac: management, interfaces });
  const what = `virtual machine ${node.name}`;
  await startProcess(qemu.system, args, { folder, what, signal });
  const port = await forwardedPort(folder, what);
  const knownHostsFile = join(folder, "known_hosts");
  await writeFile(knownHostsFile, `[127.0.0.1]:${port} ${hostKey.publicKey}\n`, { mode: 0o600 });
  const nodeAddress = node.interfaces[0]?.addresses[0];
  return {
    ...machine,
    port,
    identityFile: join(root, "key"),
    configFile: join(root, "ssh_config"),
    knownHostsFile,
    // No jump host of the user's configuration either.
    jump: [],
    ...(nodeAddress === undefined ? {} : { nodeAddress }),
  };
}

/** QEMU binds a free port itself, so that no other program can take it in between, and says which. */
async function forwardedPort(folder: string, what: string): Promise<number> {
  const command = { execute: "human-monitor-command", arguments: { "command-line": "info usernet" } };
  const text = await askQmp(folder, command);
  const [, port] = /TCP\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)/.exec(String(text)) ?? [];
  if (port !== undefined) return Number(port);
  throw new LabError("VM_CONTROL", `${what} does not say by which port of this host it is reached: ${String(text)}`);
}

/** Locally administered, the same for the same machine; QEMU's own begin like this, too. */
function macAddress(uuid: string, index: number): string {
  const [one, two, three] = uuid.match(/[0-9a-f]{2}/g) ?? [];
  return ["52", "54", one, two, three, index.toString(16).padStart(2, "0")].join(":");
}
