import { afterAll, beforeAll, expect, test } from "vitest";
import { onRig, rigMissing } from "../rig/rig.ts";
import { KubectlLab } from "./kubectl.ts";

/** What the fixture's pods declare. */
const COST_SECONDS = 0.2;

/** Readings are 10 s apart, and an autoscaler is looked at every 15 s. */
const LOAD_SECONDS = 25;

interface PodMetrics {
  window: string;
  containers: { usage: { cpu: string; memory?: string } }[];
}

onRig(rigMissing)("a load that is real", () => {
  let lab: KubectlLab;
  let load: Promise<unknown>;
  const told = (...args: string[]): Promise<string> => lab.told(...args);

  beforeAll(async () => {
    lab = await new KubectlLab().start("test/fixtures/labs/autoscaled");
    await told("autoscale", "deployment", "web", "-n", "shop", "--min=1", "--max=3", "--cpu-percent=50");
    const requests = `end=$(($(date +%s) + ${LOAD_SECONDS})); while [ $(date +%s) -lt $end ]; do curl -s -m 5 -o /dev/null http://web.shop/; sleep 0.2; done`;
    load = lab.cnilab.run("exec", "autoscaled", "shop/deployment/client", "--", "sh", "-c", requests);
  }, 120_000);

  afterAll(async () => {
    await lab.cnilab.remove();
    await load;
  }, 60_000);

  test("is told by kubectl top, as whole requests of the declared cost", { timeout: 90_000 }, async () => {
    const path = "/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods?labelSelector=app%3Dweb";
    const figures = async (): Promise<PodMetrics[]> =>
      (JSON.parse(await told("get", "--raw", path)) as { items: PodMetrics[] }).items;
    await expect.poll(figures, { timeout: 60_000, interval: 500 }).not.toEqual([]);
    const [{ window, containers } = { window: "", containers: [] }] = await figures();
    const nanocores = cpuNanocores(containers[0]?.usage.cpu ?? "");
    const requests = (nanocores * 1e-9 * Number.parseFloat(window)) / COST_SECONDS;
    expect(requests).toBeGreaterThan(0);
    expect(Math.abs(requests - Math.round(requests))).toBeLessThan(1e-6 * requests);
    expect(await told("top", "pods", "-n", "shop")).toMatch(
      /^NAME +CPU\(cores\) +MEMORY\(bytes\) *\nclient-\S+ +0m +0Mi *\nweb-\S+ +[1-9]\d*m +0Mi *\n$/,
    );
    expect(await told("top", "nodes")).toMatch(
      /^NAME +CPU\(cores\) +CPU\(%\) +MEMORY\(bytes\) +MEMORY\(%\) *\n(?:\S+ +\d+m +\d+% +0Mi *\n){3}$/,
    );
    expect(await told("get", "pods.metrics.k8s.io", "-n", "shop")).toMatch(/^NAME +CPU +WINDOW\n/);
    expect(await told("get", "--raw", "/apis/metrics.k8s.io/v1beta1")).toContain('"name":"pods","singularName":""');
    const missing = await lab.run(["top", "pod", "none", "-n", "shop"]);
    expect(missing.stderr).toMatch(/not found/);
  });

  test("scales what it is put on", { timeout: 90_000 }, async () => {
    const replicas = (): Promise<string> =>
      told("get", "deploy", "web", "-n", "shop", "-o", "jsonpath={.spec.replicas}");
    await expect.poll(replicas, { timeout: 60_000, interval: 500 }).toBe("3");
    expect(await told("get", "hpa", "web", "-n", "shop")).toMatch(
      /^NAME +REFERENCE +TARGETS +MINPODS +MAXPODS +REPLICAS +AGE\nweb +Deployment\/web +cpu: \d+%\/50% +1 +3 +1 /,
    );
    const described = await told("describe", "hpa", "web", "-n", "shop");
    expect(described).toMatch(/AbleToScale +True +SucceededRescale/);
    expect(described).toMatch(/ScalingLimited +True +TooManyReplicas/);
    expect(described).toMatch(/SuccessfulRescale .*New size: 3; reason: cpu resource utilization/);
  });
});

/** What the API's decimal form of a CPU figure is in billionths. */
function cpuNanocores(text: string): number {
  const [, figure, unit = ""] = /^(\d+)([num]?)$/.exec(text) ?? [];
  return Number(figure) * { n: 1, u: 1e3, m: 1e6, "": 1e9 }[unit as "n" | "u" | "m" | ""];
}
