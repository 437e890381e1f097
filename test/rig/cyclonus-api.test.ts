import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Cnilab } from "../e2e/cnilab.ts";
import { describeOnRig, rigEnvironment } from "./rig.ts";

/*
 * The peer itself, unmodified, on labs' API servers: it makes namespaces, pods and Services, changes policies and labels, and probes by
 * commands in pods, over SPDY. Its client asks five times a second at most, 45 requests before each case: ten of it, each on a lab of
 * its own, do a tenth of the cases each.
 */

/** Each part has the cases of its tag that no part before it has; the last one has the rest. */
const TAGS = [
  "sctp",
  "any-port",
  "deny-all",
  "udp",
  "all-namespaces",
  "miscellaneous",
  "numbered-port",
  "egress",
  "ingress",
];
/** What Cyclonus leaves out by default. */
const LEFT_OUT = ["multi-peer", "upstream-e2e", "example", "end-port", "namespaces-by-default-label"];
const ALL_PARTS = [...TAGS, undefined].map((tag, index) => ({ tag, excluded: [...LEFT_OUT, ...TAGS.slice(0, index)] }));
/** All of them wait for four minutes, most of it for their own clients: `npm run test:cyclonus`. */
const isLong = process.env["CNILAB_LONG_LANES"] !== undefined;
const PARTS = isLong ? ALL_PARTS : ALL_PARTS.filter(({ tag }) => tag === "udp").flatMap(byDirection);

/** Halves of a part: cases about egress, and about ingress. */
function byDirection(part: { tag: string | undefined; excluded: string[] }): (typeof part)[] {
  return ["ingress", "egress"].map((other) => ({ ...part, excluded: [...part.excluded, other] }));
}

/** What became of a part's cases, and of its commands: Cyclonus takes every one that fails for blocked, whatever the reason. */
interface Part {
  cases: string[];
  failed: string[];
  allowed: number;
  timedOut: number;
  /** Commands that failed by anything but a time-out. */
  otherwise: string[];
}

describeOnRig("Cyclonus on labs' API servers", () => {
  const cnilab = new Cnilab();
  const folder = mkdtempSync(join(tmpdir(), "cnilab-cyclonus-api-"));
  const kubeconfigs: string[] = [];

  beforeAll(async () => {
    for (const index of PARTS.keys()) {
      const name = `cyclonus-${index}`;
      mkdirSync(join(folder, name));
      writeFileSync(
        join(folder, name, "lab.yaml"),
        JSON.stringify({
          apiVersion: "cnilab.dev/v1alpha1",
          kind: "Lab",
          metadata: { name, title: "An empty cluster", level: "starter", minutes: 5 },
          topology: "two-workers",
          cni: { name: "calico", mode: "vxlan" },
          scenario: [],
          probes: [],
        }),
      );
      const up = await cnilab.run("up", join(folder, name));
      expect(up.exitCode, up.stderr).toBe(0);
      kubeconfigs.push((await cnilab.run("kubeconfig", name, "--path")).stdout.trim());
    }
  });

  afterAll(async () => {
    await cnilab.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  test(
    `its ${isLong ? "112" : "first"} cases pass, each cell that it takes for blocked being one without an answer`,
    { timeout: 900_000 },
    async () => {
      const parts = await Promise.all(PARTS.map((part, index) => run(part, kubeconfigs[index] ?? "", folder, index)));
      expect(parts.flatMap(({ failed }) => failed)).toEqual([]);
      const cases = parts.flatMap((part) => part.cases);
      console.log(`${cases.length} cases; ${parts.map((part) => part.cases.length).join(" + ")}`);
      if (isLong) expect(cases).toHaveLength(112);
      else expect(cases.length).toBeGreaterThanOrEqual(10);
      expect(parts.flatMap(({ otherwise }) => otherwise)).toEqual([]);
      const sum = (of: (part: Part) => number): number => parts.reduce((total, part) => total + of(part), 0);
      expect(sum(({ allowed }) => allowed)).toBeGreaterThan(100 * cases.length);
      expect(sum(({ timedOut }) => timedOut)).toBeGreaterThan(10 * cases.length);
    },
  );
});

async function run(
  { tag, excluded }: (typeof PARTS)[number],
  kubeconfig: string,
  folder: string,
  index: number,
): Promise<Part> {
  const results = join(folder, `results-${index}.xml`);
  const words = ["generate", "--server-protocol", "TCP,UDP", "--verbosity", "debug", "--retries", "0"];
  // What a lab's API server has answered is in force within milliseconds.
  words.push("--perturbation-wait-seconds", "0", "--job-timeout-seconds", "1", "--junit-results-file", results);
  words.push("--exclude", excluded.join(","), ...(tag === undefined ? [] : ["--include", tag]));
  const child = spawn("cyclonus", words, {
    env: { ...rigEnvironment, KUBECONFIG: kubeconfig },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const lines: string[] = [];
  let held = "";
  child.stderr.on("data", (chunk: Buffer) => {
    const pieces = (held + chunk.toString()).split("\n");
    held = pieces.pop() ?? "";
    lines.push(...pieces);
  });
  const [exitCode] = (await once(child, "close")) as [number | null];
  expect(exitCode, lines.slice(-3).join("\n")).toBe(0);
  const said = lines.flatMap((line) => {
    const match = /msg="stdout, stderr from (kubectl exec .*?): \\n(.*)\\n"$/.exec(line);
    return match === null ? [] : [{ command: match[1] ?? "", text: (match[2] ?? "").replaceAll(String.raw`\r\n`, "") }];
  });
  // A policy that lets no questions out to cluster DNS leaves no name to connect to.
  const isTimeout = (text: string): boolean => /^TIMEOUT$|^(?:TIMEOUT|DNS): .* i\/o timeout$/.test(text);
  return {
    ...casesIn(readFileSync(results, "utf8")),
    allowed: said.filter(({ text }) => text === "").length,
    timedOut: said.filter(({ text }) => isTimeout(text)).length,
    otherwise: [
      ...said.filter(({ text }) => text !== "" && !isTimeout(text)).map(({ command, text }) => `${command}: ${text}`),
      ...lines.filter((line) => /unable to (?:set up|run) command/.test(line) && !line.includes("exit code 1")),
    ],
  };
}

function casesIn(junit: string): Pick<Part, "cases" | "failed"> {
  const cases = junit.split("<testcase").slice(1);
  const nameOf = (text: string): string => /name="([^"]*)"/.exec(text)?.[1] ?? "";
  return {
    cases: cases.map(nameOf),
    failed: cases.filter((text) => text.includes("<failure")).map(nameOf),
  };
}
