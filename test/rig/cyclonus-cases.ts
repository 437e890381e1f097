import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { parse } from "yaml";
import { cidrContainsCidr, parseCidr } from "../../src/core/ip.ts";
import type { NetworkPolicy, Protocol } from "../../src/kube/types.ts";
import type { OraclePod } from "../../src/policy/types.ts";
import { namespaceLabels } from "../../src/kube/selectors.ts";
import type { PolicyCell, PolicyStep } from "../policy-step.ts";

/*
 * Cyclonus' own test cases (github.com/mattfenwick/cyclonus), as its command prints them with a mock in place of a cluster: the
 * policies of each step, and the table that it expects.
 */

type Labels = Record<string, string>;

/** What cases change beside policies, which is not printed: read off its source (pkg/generator, v0.5.6), by description and step. */
interface Change {
  namespaces?: Record<string, Labels>;
  pods?: Record<string, Labels>;
}
const CHANGES: Readonly<Record<string, Readonly<Record<number, Change>>>> = {
  "Create/delete namespace": {
    2: { namespaces: { "y-2": { ns: "y" } }, pods: { "y-2/a": { pod: "a" }, "y-2/b": { pod: "b" } } },
  },
  "Update namespace so that policy applies, then again so it no longer applies": {
    2: { namespaces: { y: { ns: "y", "new-ns": "qrs" } } },
  },
  "Create/delete pod": { 2: { pods: { "x/d": { pod: "d" } } } },
  "Update pod so that policy applies, then again so it no longer applies": {
    2: { pods: { "y/b": { pod: "b", "new-label": "abc" } } },
  },
  "should allow ingress access from updated namespace": { 2: { namespaces: { y: { ns: "y", ns2: "updated" } } } },
  "should allow ingress access from updated pod": { 2: { pods: { "x/b": { pod: "b", pod2: "updated" } } } },
  "should deny ingress access to updated pod": { 2: { pods: { "x/a": { target: "isolated" } } } },
  "should allow ingress access on one named port": {
    2: { namespaces: { w: { ns: "w" } }, pods: { "w/a": { pod: "a" } } },
    3: { namespaces: { w: { ns: "w" } } },
  },
};

const PROTOCOLS = ["TCP", "UDP", "SCTP"] as const;
const PORTS = [80, 81] as const;

/** All its cases, those behind its flags too. Throws where the output is not as expected. */
export function cyclonusSteps(rigHome: string): PolicyStep[] {
  const words = [
    "generate",
    "--mock",
    "--noisy",
    "--perturbation-wait-seconds",
    "0",
    "--retries",
    "0",
    "--exclude",
    "",
  ];
  const text = execFileSync(join(rigHome, "bin", "cyclonus"), words, {
    encoding: "utf8",
    maxBuffer: 1 << 28,
    stdio: ["ignore", "pipe", "ignore"],
  });
  return text
    .split(/^starting test case (?=#\d+$)/m)
    .slice(1)
    .flatMap((body) => stepsOf(body));
}

/** Blocks around the addresses of the mock's pods, and blocks around a whole pod network in their place; an exception stays inside its block. */
const BLOCKS: Readonly<Record<string, string>> = {
  "192.168.1.0/24": "192.0.0.0/8",
  "192.168.1.0/28": "192.168.0.0/16",
};

/**
 * The step for pods with any addresses of `podCidr`. Throws where a block would then hold other pods than those that it holds in the mock.
 */
export function forPodNetwork(step: PolicyStep, podCidr: string): PolicyStep {
  const pods = step.pods.flatMap(({ addresses }) => addresses);
  const text = JSON.stringify(step.policies).replaceAll(/\d+\.\d+\.\d+\.\d+\/\d+/g, (block) => {
    const ours = BLOCKS[block] ?? block;
    const held = pods.filter((address) => cidrHolds(block, `${address}/32`)).length;
    const isSame = held === pods.length ? cidrHolds(ours, podCidr) : held === 0 && !cidrHolds(podCidr, ours);
    if (!isSame) throw new Error(`${step.name}: ${block} holds ${held} of ${pods.length} pods, ${ours} others`);
    return ours;
  });
  return { ...step, policies: JSON.parse(text) as NetworkPolicy[] };
}

function cidrHolds(outer: string, inner: string): boolean {
  const [large, small] = [parseCidr(outer), parseCidr(inner)];
  if (large === undefined || small === undefined) throw new Error(`no CIDR: ${outer} or ${inner}`);
  return cidrContainsCidr(large, small);
}

function stepsOf(body: string): PolicyStep[] {
  const number = /^#\d+/.exec(body)?.[0] ?? "";
  const description = /^evaluating test case: (.*)$/m.exec(body)?.[1] ?? "";
  return body
    .split(/^step (?=\d+ on )/m)
    .slice(1)
    .map((text, index): PolicyStep => {
      const step = index + 1;
      const name = `${number} step ${step}: ${description}`;
      const { namespaces = {}, pods = {} } = CHANGES[description]?.[step] ?? {};
      const allPods = Object.entries({ ...usualPods(), ...pods });
      return {
        name,
        namespaces: Object.entries({ ...usualNamespaces(), ...namespaces }).map(([namespace, labels]) => ({
          name: namespace,
          labels: namespaceLabels(namespace, labels),
        })),
        pods: allPods.map(([pod, labels], place) => podOf(pod, labels, place)),
        policies: policiesIn(name, text),
        cells: cellsIn(name, text),
      };
    });
}

function usualNamespaces(): Record<string, Labels> {
  return Object.fromEntries(["x", "y", "z"].map((name) => [name, { ns: name }]));
}

/** In the order in which the mock gives them addresses. */
function usualPods(): Record<string, Labels> {
  const names = ["x", "y", "z"].flatMap((namespace) => ["a", "b", "c"].map((pod) => [namespace, pod] as const));
  return Object.fromEntries(names.map(([namespace, pod]) => [`${namespace}/${pod}`, { pod }]));
}

function podOf(pod: string, labels: Labels, place: number): OraclePod {
  const [namespace = "", name = ""] = pod.split("/");
  const ports = PORTS.flatMap((containerPort) =>
    PROTOCOLS.map((protocol) => ({
      name: `serve-${containerPort}-${protocol.toLowerCase()}`,
      containerPort,
      protocol,
    })),
  );
  return { namespace, name, labels, addresses: [`192.168.1.${place + 1}`], ports };
}

/** An updated policy is printed without its kind. */
function policiesIn(name: string, step: string): NetworkPolicy[] {
  const head = /^(?:Network policy:|no network policies)$[\s\S]*?(?=^(?:Discrepancy found|\d+ wrong))/m.exec(step)?.[0];
  if (head === undefined) throw new Error(`${name}: no word of policies`);
  return head
    .split(/^Network policy:$/m)
    .slice(1)
    .map((text) => ({ ...(parse(text) as NetworkPolicy), apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy" }));
}

/** The table of what both directions allow: columns are destinations, and in each the ports of the corner, in their order. */
function cellsIn(name: string, step: string): PolicyCell[] {
  const table = /^Expected combined:\n([\s\S]*?)\n\n/m.exec(step)?.[1];
  const asked = /^\d+ on (.*):$/m.exec(step)?.[1] ?? "";
  if (table === undefined) throw new Error(`${name}: no table`);
  const lines = table.split("\n").filter((line) => line.startsWith("|"));
  const rows = lines.map((line) =>
    line
      .slice(1, -1)
      .split("|")
      .map((cell) => cell.trim()),
  );
  const [header = [], ...rest] = rows;
  const corner = [header[0] ?? "", ...rest.filter(([, first]) => first === "").map(([first = ""]) => first)];
  // One port alone is not named in the corner.
  const ports = corner.filter((each) => each !== "").map((each) => portOf(each));
  if (ports.length === 0) ports.push(portOf(asked));
  return rest
    .filter(([, first]) => first !== "")
    .flatMap(([from = "", ...marks]) =>
      marks.flatMap((cell, column) => {
        const each = cell.split(/\s+/);
        if (each.length !== ports.length) throw new Error(`${name}: ${cell} has not ${ports.length} marks`);
        return each.map((mark, index): PolicyCell => {
          if (!/^[.X]$/.test(mark)) throw new Error(`${name}: ${from}: ${mark}`);
          const to = (header[column + 1] ?? "").toLowerCase();
          return { from, to, ...(ports[index] as (typeof ports)[number]), isAllowed: mark === "." };
        });
      }),
    );
}

/** `TCP/80`, or in words: `port serve-81-tcp, protocol TCP`. */
function portOf(text: string): Pick<PolicyCell, "protocol" | "port"> {
  const [, table, number] = /^([A-Z]+)\/(\d+)$/.exec(text) ?? [];
  const [, named, protocol = table] = /^port (?:serve-)?(\d+)(?:-[a-z]+)?, protocol ([A-Z]+)$/.exec(text) ?? [];
  const port = Number(number ?? named);
  if (!PROTOCOLS.includes(protocol as Protocol) || Number.isNaN(port)) throw new Error(`no port: ${text}`);
  return { protocol: protocol as Protocol, port };
}
