import * as z from "zod";
import type { PlannedMachine, PlannedVm } from "../plan/types.ts";
import type { YamlPath } from "../core/yaml-document.ts";
import { USER, absolutePath, filePath, machineOf, word, type MachineInput } from "./machines.ts";
import type { ProblemList } from "./problems.ts";

/*
 * Virtual machines that are made for a lab. Paths become names of files that a process of ours opens; a size is a number with its
 * unit, so that nobody has to guess which.
 */

const UNITS: Readonly<Record<string, number>> = { MiB: 2 ** 20, GiB: 2 ** 30 };

/** A size such as `2GiB`. Kept as it is written: a transformed field takes the defaults around it out of the JSON Schema. */
function sizeField(least: string, most: string): z.ZodString {
  return z.string().superRefine((text, context) => {
    const bytes = bytesOf(text) ?? 0;
    if (bytes >= (bytesOf(least) ?? 0) && bytes <= (bytesOf(most) ?? 0)) return;
    context.addIssue({
      code: "custom",
      message: `${JSON.stringify(text.slice(0, 60))} is no size from ${least} to ${most}`,
      params: { hint: "write a whole number and MiB or GiB, for example 2GiB" },
    });
  });
}

function bytesOf(text: string): number | undefined {
  const [, figure, unit = ""] = /^(\d{1,9})(MiB|GiB)$/.exec(text) ?? [];
  return figure === undefined ? undefined : Number(figure) * (UNITS[unit] ?? 0);
}

/** What a topology says of the virtual machines of its nodes; every field may come from either place. */
export const vmSchema = z.strictObject({
  image: filePath.optional().describe("a cloud image with cloud-init, qcow2 or raw; it is never written"),
  kernel: filePath.optional().describe("booted directly, for an image without a boot loader"),
  initrd: filePath.optional().describe("for `kernel`"),
  append: z
    .string()
    .max(1500)
    .regex(/^[\u0020-\u007e]*$/, { error: "a kernel's command line is one line of ASCII" })
    .optional()
    .describe("the command line of `kernel`"),
  cpus: z.int().min(1).max(64).optional().describe("default 2, which kubeadm asks for"),
  memory: sizeField("256MiB", "512GiB").optional().describe("default 2GiB"),
  disk: sizeField("256MiB", "4096GiB").optional().describe("default 20GiB, taken as it is written to"),
  user: word(USER, "user name").optional().describe("made in it, with sudo; default lab"),
  internet: z
    .boolean()
    .optional()
    .describe("default true: by this host's connections, its own loopback among them; false: the lab's network alone"),
});

type VmInput = z.output<typeof vmSchema>;

/** What is written of a node's machine. */
type NodeMachineInput = MachineInput & { vm?: VmInput | undefined };

/**
 * The machine of a node: what is written of it (`own`), in front of what the topology says of all its virtual machines (`shared`);
 * undefined where it has none. How a virtual machine is reached is known when it runs. For what {@link checkVms} has found right.
 */
export function nodeMachine(
  node: string,
  own: NodeMachineInput | undefined,
  { shared, directory }: { shared: VmInput | undefined; directory: string },
): Omit<PlannedMachine, "node"> | undefined {
  const { vm, ...reached } = own ?? {};
  if (vm === undefined && own !== undefined) return machineOf(node, reached, directory);
  if (vm === undefined && shared === undefined) return undefined;
  const { image, kernel, initrd, append, cpus, memory, disk, user, internet }: VmInput = { ...shared, ...vm };
  const planned: PlannedVm = {
    image: absolutePath(image ?? "", directory),
    ...(kernel === undefined ? {} : { kernel: absolutePath(kernel, directory) }),
    ...(initrd === undefined ? {} : { initrd: absolutePath(initrd, directory) }),
    ...(append === undefined ? {} : { append }),
    cpus: cpus ?? 2,
    memoryBytes: bytesOf(memory ?? "2GiB") ?? 0,
    diskBytes: bytesOf(disk ?? "20GiB") ?? 0,
    internet: internet ?? true,
  };
  return { name: node, host: "127.0.0.1", user: user ?? "lab", vm: planned };
}

/** Whether each node's virtual machine is whole, and all nodes of a lab are made or all there: one sort does not reach the other. */
export function checkVms(
  {
    nodes,
    vm: shared,
  }: { nodes: Readonly<Record<string, { machine?: NodeMachineInput | undefined }>>; vm?: VmInput | undefined },
  at: YamlPath,
  list: ProblemList,
): void {
  const all = Object.entries(nodes);
  const isMade = ({ vm }: NodeMachineInput = { vm: shared }): boolean => vm !== undefined;
  const virtual = all.filter(([, { machine }]) => isMade(machine)).map(([name]) => name);
  for (const [name, { machine }] of all) {
    const { vm, ...reached } = machine ?? {};
    if (!isMade(machine)) {
      if (machine === undefined || virtual.length === 0) continue;
      const message = `${name} is a machine that is there, and ${virtual[0]} a virtual one: they do not reach each other`;
      const hint = "virtual machines are in networks that only they are in";
      list.errorAtKey("LAB_BAD_VALUE", [...at, "nodes", name, "machine"], message, hint);
      continue;
    }
    const own = [...at, "nodes", name, "machine"];
    const place = vm === undefined ? [...at, "vm"] : [...own, "vm"];
    const { image, kernel, initrd, append }: VmInput = { ...shared, ...vm };
    if (image === undefined) {
      list.errorAtKey("LAB_MISSING_FIELD", place, `the virtual machine of ${name} has no image`, IMAGE_HINT);
    }
    if (kernel === undefined && (initrd ?? append) !== undefined) {
      const hint = "initrd and append are for a kernel that is booted directly";
      list.errorAtKey("LAB_MISSING_FIELD", place, `the virtual machine of ${name} has no kernel`, hint);
    }
    for (const field of Object.keys(reached)) {
      const hint = "a machine is made (vm), or it is there (address, user, …)";
      list.errorAtKey("LAB_BAD_VALUE", [...own, field], `${field} is not for a machine with vm`, hint);
    }
  }
}

const IMAGE_HINT = "image: FILE, a cloud image with cloud-init, as distributions offer them for download";
