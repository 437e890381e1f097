import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { namespaceLabels, type Labels } from "../src/kube/selectors.ts";
import type { NetworkPolicy, Protocol } from "../src/kube/types.ts";
import type { PolicyCell, PolicyStep } from "./policy-step.ts";

/*
 * The cases of Kubernetes' own end-to-end tests of NetworkPolicy (test/e2e/network/netpol), rebuilt from what they describe, in a world
 * of our own. What is expected is written by hand, in lines such as `open desk/* -> shop/web on 9090/tcp`: everything is
 * open but for these lines, and the last that fits a cell counts.
 */

/** A case: its steps follow each other in one running cluster. */
export interface UpstreamCase {
  name: string;
  /** What upstream calls it; more than one where its tables of several protocols are one table here. */
  upstream: string[];
  /** Policies have `$(namespace/pod)` for addresses. */
  steps: PolicyStep[];
}

const FOLDER = fileURLToPath(new URL("./fixtures/upstream-policies/", import.meta.url));
const FILES = ["isolation", "peers", "ports", "changes", "addresses"];

interface WorldFile {
  namespaces: Record<string, Labels>;
  pods: Record<string, Labels>;
  /** Such as `http=8080/tcp`. */
  ports: string[];
}

interface CaseFile {
  upstream: string | string[];
  says: string;
  steps: {
    /** Of namespaces and pods by name, in place of those of the world. */
    labels?: Record<string, Labels>;
    /** All that are in force, by namespace and name. */
    policies: Record<string, NetworkPolicy["spec"]>;
    expected: string[];
  }[];
}

type Port = PolicyStep["pods"][number]["ports"][number];

/** All cases. Throws where a line of what is expected names what is not there, or changes nothing. */
export function loadUpstreamCases(): UpstreamCase[] {
  const world = read("world") as WorldFile;
  return FILES.flatMap((file) =>
    Object.entries(read(file) as Record<string, CaseFile>).map(([name, { upstream, steps }]) => ({
      name,
      upstream: [upstream].flat(),
      steps: steps.map((step, index) => stepOf(world, `${name} step ${index + 1}`, step)),
    })),
  );
}

function read(file: string): unknown {
  return parse(readFileSync(join(FOLDER, `${file}.yaml`), "utf8"), { merge: true });
}

function stepOf(
  world: WorldFile,
  name: string,
  { labels = {}, policies, expected }: CaseFile["steps"][number],
): PolicyStep {
  const known = [...Object.keys(world.namespaces), ...Object.keys(world.pods)];
  const stray = Object.keys(labels).find((each) => !known.includes(each));
  if (stray !== undefined) throw new Error(`${name}: no ${stray} to give labels to`);
  const ports = world.ports.map((text) => portOf(text));
  return {
    name,
    namespaces: Object.entries(world.namespaces).map(([namespace, usual]) => ({
      name: namespace,
      labels: namespaceLabels(namespace, labels[namespace] ?? usual),
    })),
    pods: Object.entries(world.pods).map(([pod, usual], index) => ({
      ...splitName(pod),
      labels: labels[pod] ?? usual,
      addresses: [`192.168.1.${index + 1}`],
      ports,
    })),
    policies: Object.entries(policies).map(([policy, spec]) => ({
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: splitName(policy),
      spec,
    })),
    cells: cellsOf(name, Object.keys(world.pods), ports, expected),
  };
}

function splitName(text: string): { namespace: string; name: string } {
  const [namespace, name] = text.split("/");
  if (namespace === undefined || name === undefined) throw new Error(`"${text}" is no namespace/name`);
  return { namespace, name };
}

/** `http=8080/tcp`, or without a name. */
function portOf(text: string): Port {
  const [, name, number, protocol] = /^(?:([a-z-]+)=)?(\d+)\/(tcp|udp|sctp)$/.exec(text) ?? [];
  if (number === undefined || protocol === undefined) throw new Error(`"${text}" is no port such as http=8080/tcp`);
  return { name, containerPort: Number(number), protocol: protocol.toUpperCase() as Protocol };
}

function cellsOf(step: string, pods: string[], ports: readonly Port[], lines: string[]): PolicyCell[] {
  const cells = pods.flatMap((from) =>
    pods.flatMap((to) =>
      ports.map(({ containerPort: port, protocol }) => ({ from, to, port, protocol, isAllowed: true })),
    ),
  );
  for (const line of lines) {
    const [, word, from = "", to = "", on] = /^(open|blocked) (\S+) -> (\S+)(?: on (.+))?$/.exec(line) ?? [];
    if (word === undefined) throw new Error(`${step}: "${line}" is no line such as "open desk/* -> shop/web"`);
    const wanted = on?.split(" ").map((text) => portOf(text)) ?? ports;
    const changed = cells.filter(
      (cell) =>
        fits(from, cell.from) &&
        fits(to, cell.to) &&
        cell.isAllowed !== (word === "open") &&
        wanted.some(({ containerPort, protocol }) => containerPort === cell.port && protocol === cell.protocol),
    );
    if (changed.length === 0) throw new Error(`${step}: "${line}" changes no cell`);
    for (const cell of changed) cell.isAllowed = word === "open";
  }
  return cells;
}

/** An end of a line: `*`, `namespace/*` or `namespace/pod`. */
function fits(end: string, pod: string): boolean {
  return end === "*" || end === pod || (end.endsWith("/*") && pod.startsWith(end.slice(0, -1)));
}
