import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import * as z from "zod";
import { LabError, LabProblems, type Span } from "../core/errors.ts";
import { parseYaml } from "../core/yaml-source.ts";
import { dnsLabelProblem } from "../kube/names.ts";
import { checkLabels } from "./check-labels.ts";
import { parseWith } from "./issues.ts";
import { machineFields, machineOf, type Reached } from "./machines.ts";
import { ProblemList } from "./problems.ts";
import { LAB_API_VERSION } from "./schema.ts";

/** A machine of an inventory. */
export interface InventoryMachine {
  reached: Reached;
  /** "external": the host outside the cluster, and no node. */
  role?: "control-plane" | "worker" | "external";
  /** Added to its node's. */
  labels: Record<string, string>;
  span: Span;
}

const { nodeAddress: _own, address: _named, ...sharedFields } = machineFields;

const inventorySchema = z.strictObject({
  apiVersion: z.literal(LAB_API_VERSION),
  kind: z.literal("Inventory"),
  defaults: z.strictObject(sharedFields).prefault({}).describe("for machines that do not say it themselves"),
  machines: z.record(
    z.string(),
    z
      .strictObject({
        ...machineFields,
        role: z.enum(["control-plane", "worker", "external"]).optional(),
        labels: z.record(z.string(), z.string()).default({}),
      })
      .nullable(),
  ),
});

/** Reads a file of machines; throws INVENTORY_UNREADABLE, or LabProblems with everything that is wrong in it. */
export function readInventory(file: string): InventoryMachine[] {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (cause) {
    const { code = "", message } = cause as NodeJS.ErrnoException;
    throw new LabError("INVENTORY_UNREADABLE", `the inventory ${file} cannot be read: ${code || message}`, { cause });
  }
  const { documents, problems } = parseYaml(bytes, file);
  const [document] = documents;
  if (problems.length > 0) throw new LabProblems(problems);
  if (document === undefined || documents.length > 1) {
    const hint = `it begins with apiVersion: ${LAB_API_VERSION} and kind: Inventory`;
    throw new LabError("INVENTORY_UNREADABLE", `the inventory ${file} is not one YAML document`, { hint });
  }
  const list = new ProblemList(document);
  const { value, problems: wrong } = parseWith(inventorySchema, document.value, document, { whole: "an inventory" });
  list.problems.push(...wrong);
  if (value === undefined) throw new LabProblems(list.problems);
  const directory = dirname(resolve(file));
  const machines = Object.entries(value.machines).map(([name, written]): InventoryMachine => {
    const path = ["machines", name];
    const { role, labels = {}, ...machine } = written ?? {};
    checkName(name, list);
    checkLabels(labels, [...path, "labels"], list);
    if (role === "external" && Object.keys(labels).length > 0) {
      const message = `${name} is outside the cluster (role external): it has no node that could have labels`;
      list.errorAtKey("LAB_BAD_VALUE", [...path, "labels"], message);
    }
    return {
      reached: machineOf(name, { ...value.defaults, ...machine }, directory),
      ...(role === undefined ? {} : { role }),
      labels,
      span: document.keySpan(path),
    };
  });
  if (machines.length === 0) list.errorAtKey("LAB_BAD_VALUE", ["machines"], "an inventory needs at least one machine");
  for (const [index, { reached, span }] of machines.entries()) {
    const other = machines.slice(0, index).find((earlier) => isSamePlace(earlier.reached, reached));
    if (other === undefined) continue;
    const message = `${reached.name} is the same machine as ${other.reached.name}: ${reached.host}`;
    list.problems.push(new LabError("LAB_BAD_VALUE", message, { span }));
  }
  if (list.problems.length > 0) throw new LabProblems(list.problems);
  return machines;
}

function isSamePlace(one: Reached, other: Reached): boolean {
  const key = ({ host, port, jump = [] }: Reached): string => [host.toLowerCase(), port ?? "", ...jump].join(" ");
  return key(one) === key(other);
}

function checkName(name: string, list: ProblemList): void {
  const problem = name.length > 40 ? "is longer than 40 characters" : dnsLabelProblem(name);
  if (problem === undefined) return;
  list.errorAtKey("LAB_BAD_NAME", ["machines", name], `machine name ${JSON.stringify(name.slice(0, 60))} ${problem}`);
}
