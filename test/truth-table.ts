import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import type { AdminPolicy } from "../src/kube/admin-policy-types.ts";
import { namespaceLabels } from "../src/kube/selectors.ts";
import type { ContainerPort, Namespace, NetworkPolicy, Pod, Protocol } from "../src/kube/types.ts";
import { fillIn } from "./fill-in.ts";

/** One expectation of a truth table; an end is "namespace/pod" or {@link OUTSIDE}. */
export interface TruthCell {
  from: string;
  to: string;
  port: number;
  protocol: "tcp" | "udp";
  /** `ungraded` is a pod to itself. */
  expected: "allowed" | "blocked" | "ungraded";
}

/** A truth table: objects to create and what must then be seen. Every pod listens on every port in the table. */
export interface TruthTable {
  name: string;
  description: string;
  namespaces: Namespace[];
  /** Their image is one that no catalogue knows, so that servers listen on the declared ports. */
  pods: Pod[];
  /** The policies with `$(namespace/pod)` and `$(outside)` replaced by addresses, known only once pods run. */
  policies(addressOf: (end: string) => string): NetworkPolicy[];
  /** Cluster-wide ones, the same. */
  adminPolicies(addressOf: (end: string) => string): AdminPolicy[];
  cells: TruthCell[];
}

/** The name under which a table speaks of a host outside the cluster. */
export const OUTSIDE = "outside";

const FOLDER = fileURLToPath(new URL("./fixtures/truth-tables/", import.meta.url));
const MARKS = { ".": "allowed", X: "blocked", "-": "ungraded" } as const;

interface TableFile {
  description: string;
  api: string;
  namespaces: Record<string, Record<string, string>>;
  /** Ports as "80/tcp" or, with a name, "http=80/tcp". */
  pods: Record<string, { labels?: Record<string, string>; ports: string[] }>;
  policies: NetworkPolicy[];
  adminPolicies?: AdminPolicy[];
  expected: Record<string, string>;
}

/** Paths of all truth tables, by name. */
export function truthTablePaths(): string[] {
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith(".yaml"))
    .toSorted()
    .map((file) => join(FOLDER, file));
}

/** Reads a table; throws when a grid leaves out a pod, or a pod does not listen on a port that is asked of it. */
export function loadTruthTable(path: string): TruthTable {
  const file = parse(readFileSync(path, "utf8")) as TableFile;
  const pods = Object.entries(file.pods).map(([name, { labels, ports }]) => makePod(name, labels ?? {}, ports));
  const names = Object.keys(file.pods);
  return {
    name: basename(path, ".yaml"),
    description: file.description,
    namespaces: Object.entries(file.namespaces).map(([name, labels]) => ({
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name, labels: namespaceLabels(name, labels) },
    })),
    pods,
    policies: (addressOf) => fillIn(file.policies, addressOf) as NetworkPolicy[],
    adminPolicies: (addressOf) => fillIn(file.adminPolicies ?? [], addressOf) as AdminPolicy[],
    cells: Object.entries(file.expected).flatMap(([heading, grid]) => {
      const port = parsePort(heading);
      requireListeners(path, pods, port);
      return readGrid(`${path}, ${heading}`, grid, names).map((cell) => ({
        ...cell,
        port: port.containerPort,
        protocol: port.protocol === "UDP" ? "udp" : "tcp",
      }));
    }),
  };
}

/** "http=80/tcp" → a container port. */
function parsePort(text: string): ContainerPort & { protocol: Protocol } {
  const [, name, number, protocol] = /^(?:([a-z0-9-]+)=)?(\d+)\/(tcp|udp)$/.exec(text) ?? [];
  if (number === undefined || protocol === undefined) throw new Error(`"${text}" is no port such as http=80/tcp`);
  return {
    ...(name === undefined ? {} : { name }),
    containerPort: Number(number),
    protocol: protocol === "udp" ? "UDP" : "TCP",
  };
}

function makePod(name: string, labels: Record<string, string>, ports: string[]): Pod {
  const [namespace, podName] = name.split("/");
  if (namespace === undefined || podName === undefined) throw new Error(`"${name}" is no namespace/pod`);
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { namespace, name: podName, labels },
    spec: { containers: [{ name: "server", image: "cnilab.dev/declared-ports:1", ports: ports.map(parsePort) }] },
  };
}

function readGrid(where: string, grid: string, pods: string[]): Pick<TruthCell, "from" | "to" | "expected">[] {
  const [head, ...rows] = grid
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/));
  const [, ...columns] = head ?? [];
  requireAll(where, "columns", columns, pods);
  requireAll(
    where,
    "rows",
    rows.map(([from]) => from ?? ""),
    pods,
  );
  return rows.flatMap(([from = "", ...marks]) => {
    if (marks.length !== columns.length) throw new Error(`${where}: row ${from} has ${marks.length} marks`);
    return marks.map((mark, index) => {
      if (!Object.hasOwn(MARKS, mark)) throw new Error(`${where}: row ${from} has the mark "${mark}"`);
      return { from, to: columns[index] as string, expected: MARKS[mark as keyof typeof MARKS] };
    });
  });
}

function requireAll(where: string, what: string, named: string[], pods: string[]): void {
  const missing = pods.filter((pod) => !named.includes(pod));
  const unknown = named.filter((end) => end !== OUTSIDE && !pods.includes(end));
  if (missing.length > 0 || unknown.length > 0 || new Set(named).size !== named.length) {
    throw new Error(
      `${where}: ${what} lack ${missing.join(", ") || "none"}, do not know ${unknown.join(", ") || "none"}`,
    );
  }
}

/** A pod that does not listen could not tell blocked from refused. */
function requireListeners(path: string, pods: Pod[], { containerPort, protocol }: ContainerPort): void {
  for (const pod of pods) {
    const ports = pod.spec.containers.flatMap((container) => container.ports ?? []);
    if (!ports.some((port) => port.containerPort === containerPort && port.protocol === protocol)) {
      throw new Error(`${path}: ${pod.metadata.name} does not listen on ${containerPort}/${protocol}`);
    }
  }
}
