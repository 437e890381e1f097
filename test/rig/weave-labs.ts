import { execa } from "execa";
import type { KubeObject, Pod } from "../../src/kube/types.ts";
import type { Cluster, Source, SweepCellResult } from "../../src/providers/types.ts";
import { AGNHOST_IMAGE } from "../../src/providers/real/agnhost-image.ts";

/*
 * What weave-labs.test.ts looks at on a cluster besides its labs: two pods on two workers.
 */

const NAMESPACE = "rig-weave";
const ROUNDS = 10;
const PORT = 8080;
/** Router's frames that a capture waits for; a request and its answer are ten or so. */
const FRAMES = 80;
const SLEEVE = "udp port 6783";

const podNamed = (name: string, node: string): KubeObject => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace: NAMESPACE },
  spec: {
    nodeName: node,
    terminationGracePeriodSeconds: 0,
    containers: [{ name: "c", image: AGNHOST_IMAGE, args: ["netexec", `--http-port=${PORT}`] }],
  },
});

function policy(spec: object): KubeObject {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: "p", namespace: NAMESPACE },
    spec: { podSelector: {}, ...spec },
  };
}

const client: Source = { kind: "pod", namespace: NAMESPACE, name: "client" };

/** Makes the two pods; resolves to the server's address once they are settled. */
export async function placePods(cluster: Cluster): Promise<string> {
  const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name: NAMESPACE } };
  await cluster.apply([namespace, podNamed("client", "worker1"), podNamed("server", "worker2")]);
  for (const name of ["client", "server"]) {
    const ref = { kind: "Pod", namespace: NAMESPACE, name };
    await cluster.wait({ kind: "condition", ref, condition: "ready" }, { timeoutMs: 60_000 });
  }
  await cluster.settle({ timeoutMs: 60_000 });
  const pods = (await cluster.list({ kind: "Pod", namespace: NAMESPACE })) as Pod[];
  return pods.find(({ metadata }) => metadata.name === "server")?.status?.podIP ?? "";
}

/** What a flow shows right after each of many changes of a policy has settled, and how long settling took. */
export async function changePolicies(
  cluster: Cluster,
  address: string,
  direction: "Ingress" | "Egress",
): Promise<{ outcomes: SweepCellResult["outcome"][]; settledMs: number[] }> {
  const outcomes: SweepCellResult["outcome"][] = [];
  const settledMs: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const rules = round % 2 === 0 ? [] : [{}];
    await cluster.apply([policy({ policyTypes: [direction], [direction.toLowerCase()]: rules })]);
    settledMs.push(Math.round((await cluster.settle({ timeoutMs: 60_000 })).durationMs));
    const cell = { id: 1, from: client, address, port: PORT, protocol: "tcp" } as const;
    const { cells } = await cluster.sweep([cell], { deadlineMs: 1100 });
    outcomes.push(...cells.map(({ outcome }) => outcome));
  }
  await cluster.delete([{ kind: "NetworkPolicy", namespace: NAMESPACE, name: "p" }]);
  await cluster.settle({ timeoutMs: 60_000 });
  return { outcomes, settledMs };
}

/** Sends a text from pod to pod while the link of the sender's node is captured, until enough frames were seen. */
export async function captureText(
  cluster: Cluster,
  address: string,
  text: string,
): Promise<{ frames: string; answered: number }> {
  const argv = ["tcpdump", "-i", "eth0", "-n", "-s", "0", "-A", "-c", String(FRAMES), SLEEVE];
  let isDone = false;
  const capture = cluster
    .exec({ kind: "node", name: "worker1" }, argv, { timeoutMs: 60_000 })
    .finally(() => (isDone = true));
  let answered = 0;
  const url = `http://${address}:${PORT}/echo?msg=${text}`;
  while (!isDone) {
    const { stdout } = await cluster.exec(client, ["curl", "-s", "-m", "5", url], { timeoutMs: 10_000 });
    if (stdout === text) answered += 1;
  }
  return { frames: (await capture).stdout, answered };
}

/** Other pods for cluster DNS, with links that no snapshot knows; resolves when they answer. */
export async function replaceDns(cluster: Cluster): Promise<void> {
  const pods = await cluster.list({ kind: "Pod", namespace: "kube-system" });
  const servers = pods.filter(({ metadata }) => metadata.labels?.["k8s-app"] === "kube-dns");
  await cluster.delete(servers.map(({ metadata: { name } }) => ({ kind: "Pod", namespace: "kube-system", name })));
  await cluster.settle({ timeoutMs: 60_000 });
}

/** Names of the IP sets on every node container of a lab. */
export async function ipSets(lab: string): Promise<Record<string, string[]>> {
  const { stdout } = await execa("docker", [
    "ps",
    "--filter",
    `name=^cnilab-${lab}-(control-plane|worker\\d*)$`,
    "--format",
    "{{.Names}}",
  ]);
  const nodes = stdout.split("\n").filter((name) => name !== "");
  return Object.fromEntries(
    await Promise.all(
      nodes.map(async (node) => {
        const sets = await execa("docker", ["exec", node, "ipset", "list", "-n"]);
        return [node, sets.stdout.split("\n")] as const;
      }),
    ),
  );
}
