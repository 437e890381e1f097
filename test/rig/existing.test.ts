import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { parse, stringify } from "yaml";
import type { ReportDocument } from "../../src/report/json.ts";
import { Cnilab, type Finished } from "../e2e/cnilab.ts";
import { clusterFacts } from "./cluster-facts.ts";
import { labsIn } from "./leftovers.ts";
import { startOnTerminal } from "./on-terminal.ts";
import { describeOnRig, rigEnvironment } from "./rig.ts";
import { sharedCluster } from "./shared-cluster.ts";
import { writeSmallLab } from "./small-lab.ts";

const minutes = 60_000;
const run = promisify(execFile);

describeOnRig("a cluster that cnilab did not make", () => {
  const cnilab = new Cnilab({ environment: rigEnvironment, timeoutMs: 5 * minutes });
  let kubeconfig: string;
  let before: Record<string, string[]>;
  let there: string[];

  const kubectl = async (...args: string[]): Promise<string> =>
    (await run("kubectl", ["--kubeconfig", kubeconfig, ...args], { env: rigEnvironment })).stdout;
  const apply = (...objects: object[]): Promise<string> => {
    const file = join(cnilab.stateHome, "objects.yaml");
    writeFileSync(file, objects.map((object) => stringify(object)).join("---\n"));
    return kubectl("apply", "-f", file);
  };
  const here = (...args: string[]): string[] => [...args, "--provider", "existing", "--kubeconfig", kubeconfig];
  const reportOf = ({ stdout, stderr }: Finished): ReportDocument => {
    expect(stdout, stderr).not.toBe("");
    return JSON.parse(stdout) as ReportDocument;
  };

  beforeAll(async () => {
    kubeconfig = await sharedCluster();
    const nodes = (await kubectl("get", "nodes", "-o", "name")).trim().split("\n");
    there = nodes.map((line) => line.replace("node/", ""));
    before = await clusterFacts(kubeconfig);
  });

  afterAll(() => cnilab.remove());

  // A test that failed midway leaves its lab to none of those that follow.
  afterEach(async () => {
    await cnilab.run("down", "--all");
  });

  /** Agents of the cluster's own, such as kube-proxy and Felix, take their rules back a little later. */
  async function expectAsBefore(): Promise<void> {
    expect(labsIn(cnilab.stateHome)).toEqual([]);
    await expect.poll(() => clusterFacts(kubeconfig), { timeout: 60_000, interval: 1000 }).toEqual(before);
  }

  test("default-deny: untouched no points, solved all, and the cluster is as before", async () => {
    const untouched = await cnilab.run(...here("run", "default-deny", "-o", "json"));
    expect(reportOf(untouched)).toMatchObject({
      provider: "existing",
      cni: { name: "calico", mode: "as-found", enforcesPolicy: true },
      verdict: "fail",
      earned: 0,
      possible: 10,
    });
    const solved = await cnilab.run(...here("run", "default-deny", "--solution", "-o", "json"));
    expect(reportOf(solved)).toMatchObject({ verdict: "pass", earned: 10, possible: 10 });
    await expectAsBefore();
  });

  test("first-lab passes: names, Services, pings and policies", async () => {
    const passed = await cnilab.run(...here("run", "first-lab", "-o", "json"));
    expect(reportOf(passed), passed.stderr).toMatchObject({ verdict: "pass", warnings: [] });
    await expectAsBefore();
  });

  test("two labs at once, one by a token from a file that a list of kubeconfigs leads to", async () => {
    const one = writeSmallLab(cnilab.stateHome, "rig-one", { namespace: "rig-one" });
    const two = writeSmallLab(cnilab.stateHome, "rig-two", { namespace: "rig-two" });
    const account = {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: { name: "rig-existing", namespace: "kube-public" },
    };
    const subjects = [{ kind: "ServiceAccount", name: "rig-existing", namespace: "kube-public" }];
    const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "cluster-admin" };
    const binding = {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRoleBinding",
      metadata: { name: "rig-existing" },
      subjects,
      roleRef,
    };
    await apply(account, binding);
    try {
      const token = await kubectl("-n", "kube-public", "create", "token", "rig-existing");
      const [{ cluster } = { cluster: {} }] = (
        parse(readFileSync(kubeconfig, "utf8")) as { clusters: { cluster: object }[] }
      ).clusters;
      writeFileSync(join(cnilab.stateHome, "token"), token);
      const clusterFile = join(cnilab.stateHome, "cluster.yaml");
      const userFile = join(cnilab.stateHome, "user.yaml");
      writeFileSync(clusterFile, stringify({ clusters: [{ name: "rig", cluster }] }));
      const contexts = [{ name: "by-token", context: { cluster: "rig", user: "rig" } }];
      writeFileSync(userFile, stringify({ contexts, users: [{ name: "rig", user: { tokenFile: "token" } }] }));
      const byToken = new Cnilab({
        environment: { ...rigEnvironment, KUBECONFIG: `${clusterFile}:/no/such/file:${userFile}` },
        timeoutMs: 5 * minutes,
      });
      const [first, second] = await Promise.all([
        cnilab.run(...here("run", one, "-o", "json")),
        byToken.run("run", two, "--provider", "existing", "--context", "by-token", "-o", "json"),
      ]);
      expect(reportOf(first), first.stderr).toMatchObject({ verdict: "pass" });
      expect(reportOf(second), second.stderr).toMatchObject({ verdict: "pass" });
      await byToken.remove();
    } finally {
      await kubectl("delete", "clusterrolebinding/rig-existing");
      await kubectl("-n", "kube-public", "delete", "serviceaccount/rig-existing");
    }
    await expectAsBefore();
  });

  test("a lab that is up: graded later, its nodes by the lab's names, nothing else changed by it", async () => {
    const lab = writeSmallLab(cnilab.stateHome, "rig-up", { namespace: "rig-up" });
    const up = await cnilab.run(...here("up", lab));
    expect(up.exitCode, up.stderr).toBe(0);
    const graded = await cnilab.run("grade", "rig-up", "-o", "json");
    expect(reportOf(graded), graded.stderr).toMatchObject({ verdict: "pass" });
    const status = JSON.parse((await cnilab.run("status", "rig-up", "-o", "json")).stdout) as {
      pods: { namespace: string; node: string }[];
    }[];
    const own = status[0]?.pods.filter(({ namespace }) => namespace === "rig-up");
    expect(own?.map(({ node }) => node)).toEqual(["control-plane", "control-plane"]);
    const hostname = await cnilab.run("exec", "rig-up", "rig-up/deployment/web", "--", "cat", "/etc/resolv.conf");
    expect(hostname.stdout).toContain("search rig-up.svc.cluster.local");

    const file = join(cnilab.stateHome, "foreign.yaml");
    const foreign = [
      {
        apiVersion: "rbac.authorization.k8s.io/v1",
        kind: "ClusterRole",
        metadata: { name: "rig-up", namespace: "rig-up" },
        rules: [],
      },
      { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "rig-up", namespace: "kube-public" } },
      { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "rig-up" } },
    ];
    writeFileSync(file, foreign.map((object) => stringify(object)).join("---\n"));
    const refused = await cnilab.run("apply", "rig-up", "-f", file);
    expect(refused.exitCode).toBe(4);
    expect(refused.stderr.slice(refused.stderr.indexOf("EXISTING_NOT_OURS"))).toBe(
      [
        "EXISTING_NOT_OURS  ClusterRole rig-up is of the whole cluster, and the cluster is not the lab's alone",
        "  ConfigMap kube-public/rig-up is in a namespace that the lab does not create",
        "  ConfigMap default/rig-up is in a namespace that the lab does not create",
        "  hint: a lab works in namespaces that it creates itself; nothing else of the cluster is touched",
        "",
      ].join("\n"),
    );
    const onNode = await cnilab.run("exec", "rig-up", "node/control-plane", "--", "true");
    expect(onNode.stderr).toContain("EXISTING_NEEDS_NODE  nothing is run on node control-plane");

    const rival = writeSmallLab(cnilab.stateHome, "rig-rival", { namespace: "rig-up" });
    const taken = await cnilab.run(...here("up", rival, "-q"));
    expect(taken.exitCode).toBe(4);
    expect(taken.stderr).toBe(
      [
        "EXISTING_NAMESPACE_TAKEN  namespace rig-up is in the cluster already, and not this lab's",
        "  hint: a lab works in namespaces of its own, which are removed with it; rename the lab's, or use another cluster",
        "",
      ].join("\n"),
    );
    expect(labsIn(cnilab.stateHome)).toEqual(["rig-up"]);
    expect((await cnilab.run("down", "rig-up")).stdout).toBe("rig-up removed\n");
    await expectAsBefore();
  });

  test.each([
    ["it looks at the cluster", "stands for"],
    ["agents start", "agents run on"],
    ["it waits for readiness", "a pod runs on every node"],
    ["the scenario is applied", "apply the scenario"],
  ])("SIGKILL while %s: down leaves the cluster as it was", async (_, step) => {
    const name = "rig-killed";
    const lab = writeSmallLab(cnilab.stateHome, name, { namespace: name });
    const command = startOnTerminal(cnilab.stateHome, ...here("up", lab));
    await command.told(step);
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 1500));
    process.kill(command.pid(), "SIGKILL");
    const { exitCode, said } = await command.ended;
    expect(exitCode, said).toBe(128 + 9);
    const down = await cnilab.run("down", name);
    expect(down).toMatchObject({ exitCode: 0, stdout: `${name} removed\n` });
    await expectAsBefore();
    expect(await cnilab.run("down", name)).toMatchObject({ exitCode: 0, stdout: `${name} was not there\n` });
  });

  test("SIGINT: the command itself removes all", async () => {
    const lab = writeSmallLab(cnilab.stateHome, "rig-stopped", { namespace: "rig-stopped" });
    const command = startOnTerminal(cnilab.stateHome, ...here("up", lab));
    await command.told("agents run on");
    process.kill(command.pid(), "SIGINT");
    const { exitCode, said } = await command.ended;
    expect(exitCode, said).toBe(130);
    await expectAsBefore();
  });

  test("an image that no node can get: the kubelet's words, and nothing is left", async () => {
    const lab = writeSmallLab(cnilab.stateHome, "rig-image", { namespace: "rig-image" });
    const image = "registry.invalid/cnilab-agent:1";
    const without = new Cnilab({
      environment: { ...rigEnvironment, CNILAB_AGENT_IMAGE: image },
      timeoutMs: 5 * minutes,
    });
    const failed = await without.run(...here("up", lab, "-q"));
    expect(failed.exitCode).toBe(4);
    expect(failed.stderr).toMatch(
      /^AGENT_IMAGE_MISSING {2}node \S+ cannot get the image registry\.invalid\/cnilab-agent:1 for agents: Failed to pull image .*registry\.invalid.*\n {2}hint: CNILAB_AGENT_IMAGE names an image/,
    );
    expect(labsIn(without.stateHome)).toEqual([]);
    await without.remove();
    await expectAsBefore();
  });

  test("a cluster that forbids privileged pods: its words, and nothing is left", async () => {
    const lab = writeSmallLab(cnilab.stateHome, "rig-forbidden", { namespace: "rig-forbidden" });
    const rules = [{ apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["pods"] }];
    const labs = ["rig-forbidden", "rig-forbidden-here"];
    const selector = { matchExpressions: [{ key: "cnilab.dev/lab", operator: "In", values: labs }] };
    const admission = { apiVersion: "admissionregistration.k8s.io/v1", metadata: { name: "rig-forbidden" } };
    const expression = "!has(object.spec.hostPID) || !object.spec.hostPID";
    const policy = {
      ...admission,
      kind: "ValidatingAdmissionPolicy",
      spec: {
        matchConstraints: { resourceRules: rules, namespaceSelector: selector },
        validations: [{ expression, message: "nobody sees the node's processes here" }],
      },
    };
    const binding = {
      ...admission,
      kind: "ValidatingAdmissionPolicyBinding",
      spec: { policyName: "rig-forbidden", validationActions: ["Deny"] },
    };
    const tried = { metadata: { name: "rig-forbidden-here", labels: { "cnilab.dev/lab": "rig-forbidden-here" } } };
    await apply({ apiVersion: "v1", kind: "Namespace", ...tried }, policy, binding);
    const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "tried", namespace: "rig-forbidden-here" } };
    const spec = { hostPID: true, containers: [{ name: "tried", image: "tried" }] };
    try {
      // The API server reads such policies on its own time.
      await expect
        .poll(
          () =>
            apply({ ...pod, spec })
              .then(() => kubectl("-n", "rig-forbidden-here", "delete", "pod/tried", "--now"))
              .catch(String),
          { timeout: 30_000 },
        )
        .toContain("nobody sees the node's processes here");
      const failed = await cnilab.run(...here("up", lab, "-q"));
      expect(failed.exitCode).toBe(4);
      expect(failed.stderr).toMatch(
        /^AGENT_FORBIDDEN {2}the cluster refuses the agents' pods: .*nobody sees the node's processes here/,
      );
    } finally {
      await kubectl(
        "delete",
        "validatingadmissionpolicybinding/rig-forbidden",
        "validatingadmissionpolicy/rig-forbidden",
        "namespace/rig-forbidden-here",
      );
    }
    await expectAsBefore();
  });

  test("refuses another CNI than the plan's, and too few nodes, before anything is made", async () => {
    const other = await cnilab.run(...here("up", "service-discovery", "-q"));
    expect(other.exitCode).toBe(4);
    expect(other.stderr).toBe(
      [
        "EXISTING_CNI_DIFFERS  the cluster runs calico (DaemonSet kube-system/calico-node), the plan says flannel",
        "  hint: --cni calico, where the lab claims it",
        "",
      ].join("\n"),
    );
    const lab = writeSmallLab(cnilab.stateHome, "rig-many", { namespace: "rig-many" });
    const file = join(lab, "lab.yaml");
    const nodes = Object.fromEntries([1, 2, 3].map((number) => [`worker${number}`, { networks: ["lan"] }]));
    const topology = {
      networks: { lan: { subnet: "172.30.0.0/24" } },
      nodes: { "control-plane": { role: "control-plane", networks: ["lan"] }, ...nodes },
    };
    writeFileSync(file, stringify({ ...(parse(readFileSync(file, "utf8")) as object), topology }));
    const few = await cnilab.run(...here("up", lab, "-q"));
    expect(few.exitCode).toBe(4);
    const [controlPlane] = there;
    expect(few.stderr).toBe(
      [
        "EXISTING_TOO_FEW_NODES  the lab needs 3 nodes that take pods, and the cluster has 2",
        `  hint: not counted: ${controlPlane} has the taint node-role.kubernetes.io/control-plane:NoSchedule`,
        "",
      ].join("\n"),
    );
    await expectAsBefore();
  });

  test("a cluster that cannot be reached: down says so and keeps the record; status goes on", async () => {
    const name = "rig-away";
    const lab = writeSmallLab(cnilab.stateHome, name, { namespace: name });
    const copy = join(cnilab.stateHome, "kubeconfig");
    const text = readFileSync(kubeconfig, "utf8");
    writeFileSync(copy, text);
    const up = await cnilab.run("up", lab, "--provider", "existing", "--kubeconfig", copy);
    expect(up.exitCode, up.stderr).toBe(0);
    writeFileSync(copy, text.replace(/server: .*/, "server: https://127.0.0.1:1"));
    const down = await cnilab.run("down", name);
    expect(down.exitCode).toBe(4);
    expect(down.stderr).toContain(`API_UNREACHABLE  lab ${name} is not removed from `);
    expect(labsIn(cnilab.stateHome)).toEqual([name]);
    const status = await cnilab.run("status", "-o", "json");
    expect(status.exitCode, status.stderr).toBe(0);
    expect(JSON.parse(status.stdout)).toMatchObject([{ name, state: "unreachable" }]);
    writeFileSync(copy, text);
    expect(await cnilab.run("down", name)).toMatchObject({ exitCode: 0, stdout: `${name} removed\n` });
    await expectAsBefore();
  });
});
