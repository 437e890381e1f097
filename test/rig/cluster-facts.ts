import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { rigEnvironment } from "./rig.ts";

const run = promisify(execFile);

/** What comes and goes by itself; Calico's address blocks stay with a node that once had a pod. */
const PASSING = /^(events|componentstatuses|ipamblocks|ipamhandles|blockaffinities|certificatesigningrequests)\b/;

async function output(command: string, ...args: string[]): Promise<string[]> {
  const { stdout } = await run(command, args, { env: rigEnvironment, maxBuffer: 64 << 20 });
  return stdout.split("\n").filter((line) => line !== "");
}

/** All that a cluster has beside what is in namespaces, and of each of its node containers links, chains and sets of addresses. */
export async function clusterFacts(kubeconfig: string): Promise<Record<string, string[]>> {
  const kubectl = (...args: string[]): Promise<string[]> => output("kubectl", "--kubeconfig", kubeconfig, ...args);
  const kinds = await kubectl("api-resources", "--namespaced=false", "--verbs=list", "-o", "name");
  const asked = kinds.filter((kind) => !PASSING.test(kind)).join(",");
  const facts: Record<string, string[]> = { objects: (await kubectl("get", asked, "-o", "name")).toSorted() };
  for (const line of await kubectl("get", "nodes", "-o", "name")) {
    const node = line.replace("node/", "");
    const script = [
      "ip -o link | cut -d: -f2 | cut -d@ -f1",
      "iptables-save | grep '^:' | cut -d' ' -f1",
      "nft list sets 2>/dev/null | grep -o 'set cali[^ ]*' || true",
      "ipset list -n 2>/dev/null || true",
    ];
    facts[node] = (await output("docker", "exec", node, "bash", "-c", script.join("; "))).toSorted();
  }
  return facts;
}
