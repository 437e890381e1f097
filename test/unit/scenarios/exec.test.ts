import { describe, expect, it } from "vitest";
import type { ExecResult } from "../../../src/providers/types.ts";
import { exec } from "../../../src/scenarios/exec.ts";
import { scenarioContext } from "../../fixtures/scenario-context.ts";

async function run(written: Record<string, unknown>, result: Partial<ExecResult>) {
  const context = scenarioContext({ exec: () => result });
  await exec.run(exec.options.parse({ in: "shop/deployment/web", command: ["ip", "route"], ...written }), [], context);
  return context;
}

describe("exec", () => {
  it("runs the words as they are in the first ready pod, and shows what it wrote", async () => {
    const context = await run({ timeout: "5s" }, { stdout: "default via 169.254.1.1 dev eth0\n" });
    expect(context.cluster.execs).toMatchObject([
      {
        source: { kind: "pod", namespace: "shop", name: "web-1" },
        argv: ["ip", "route"],
        options: { timeoutMs: 5000 },
      },
    ]);
    expect(context.lines).toEqual(["ip route in shop/web-1: exit 0", "  default via 169.254.1.1 dev eth0"]);
  });

  it("fails on another exit code, with the command, its output's end and how to run it again", async () => {
    const stdout = Array.from({ length: 30 }, (_, index) => `line ${index}`).join("\n");
    const failure = await run({}, { exitCode: 2, stdout, stderr: "ip: no\u001b[2J such thing\n" }).catch(
      (error: unknown) => error,
    );
    expect(failure).toMatchObject({ code: "SCENARIO_EXEC_FAILED" });
    const { message } = failure as Error;
    expect(message).toContain(
      "the command ended with exit code 2, not 0\n  cnilab exec shop-lab somewhere -- ip route\n",
    );
    expect(message).toContain("[… 11 lines …]");
    expect(message).toContain(String.raw`ip: no\x1b[2J such thing`);
    expect(message).not.toContain("line 10\n");
  });

  it.each([
    [{ timedOut: true, exitCode: null, signal: "SIGKILL" }, "did not end within 30000 ms"],
    [{ exitCode: null, signal: "SIGSEGV" }, "was ended by SIGSEGV"],
    [{ stdout: "other" }, 'does not hold "wanted"'],
  ])("fails on %j", async (result, words) => {
    await expect(run({ output: "wanted" }, result)).rejects.toThrow(words);
  });

  it("takes the exit code and output it was told to expect", async () => {
    const context = await run({ expectExit: 7, output: "refused" }, { exitCode: 7, stderr: "connection refused" });
    expect(context.lines[0]).toContain("exit 7");
  });

  it("refuses a command line: no shell would read it", () => {
    const result = exec.options.safeParse({ in: "shop/web", command: "ip route" });
    expect(result.error?.issues[0]).toMatchObject({
      message: "command is a list of words, not one string",
      path: ["command"],
      params: { hint: 'write command: [ip, route]; for a shell, [sh, -c, "…"]' },
    });
  });

  it("fails where the pod does not exist", async () => {
    await expect(run({ in: "shop/ghost" }, {})).rejects.toMatchObject({ code: "SOURCE_MISSING" });
  });
});
