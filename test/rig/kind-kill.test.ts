import { readFileSync } from "node:fs";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { Cnilab } from "../e2e/cnilab.ts";
import { inDocker, labsIn, processesWith } from "./leftovers.ts";
import { startOnTerminal } from "./on-terminal.ts";
import { describeOnRig, rigEnvironment } from "./rig.ts";
import { writeSmallLab } from "./small-lab.ts";

const minutes = 60_000;
const NAME = "rig-kill";

/** A process's parent; 0 where it has ended meanwhile. */
function parentOf(pid: number): number {
  try {
    return Number(/^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
  } catch {
    return 0;
  }
}

describeOnRig("a lab on kind whose making is killed", () => {
  let cnilab: Cnilab;
  let lab: string;
  let before: ReturnType<typeof inDocker>;

  beforeAll(() => {
    cnilab = new Cnilab({ environment: rigEnvironment, timeoutMs: 2 * minutes });
    lab = writeSmallLab(cnilab.stateHome, NAME);
    before = inDocker();
  });

  afterAll(() => cnilab.remove());

  // A test that failed midway leaves its lab to none of those that follow.
  afterEach(async () => {
    if (labsIn(cnilab.stateHome).length > 0) await cnilab.run("down", NAME);
  });

  const up = (): ReturnType<typeof startOnTerminal> =>
    startOnTerminal(cnilab.stateHome, "up", lab, "--provider", "kind");

  function expectNothingLeft(): void {
    expect(inDocker()).toEqual(before);
    expect(labsIn(cnilab.stateHome)).toEqual([]);
    expect(processesWith(cnilab.stateHome)).toEqual([]);
  }

  /** kind and the docker commands that it started, as they can be found by their environment. */
  const kindProcesses = (): ReturnType<typeof processesWith> =>
    processesWith(`XDG_STATE_HOME=${cnilab.stateHome}`).filter(({ commandLine }) =>
      /(^|\/)(kind|docker) /.test(commandLine),
    );

  test.each([
    ["nodes are prepared", "kind: Preparing nodes"],
    ["kubeadm works", "kind: Starting control-plane"],
    ["the CNI is installed", "apply calico"],
    ["it waits for readiness", "calico runs on 1 nodes"],
  ])("SIGKILL while %s: down removes all of it, and a second down has nothing to do", async (_, step) => {
    const command = up();
    await command.told(step);
    process.kill(command.pid(), "SIGKILL");
    const { exitCode, said } = await command.ended;
    expect(exitCode, said).toBe(128 + 9);
    const status = await cnilab.run("status", "-o", "json");
    expect(status.stdout).toContain(`"${NAME}"`);
    const down = await cnilab.run("down", NAME);
    expect(down).toMatchObject({ exitCode: 0, stdout: `${NAME} removed\n` });
    expectNothingLeft();
    const again = await cnilab.run("down", NAME);
    expect(again).toMatchObject({ exitCode: 0, stdout: `${NAME} was not there\n` });
  });

  test("SIGKILL to kind alone: the lab fails, says so, and leaves nothing", async () => {
    const command = up();
    await command.told("kind: Starting control-plane");
    const creating = kindProcesses().filter(({ commandLine }) => commandLine.includes("create cluster"));
    // What it is about to start has its command line until it executes its own.
    const kind = creating.filter(({ pid }) => !creating.some((other) => other.pid === parentOf(pid)));
    expect(kind).toHaveLength(1);
    for (const { pid } of kind) process.kill(pid, "SIGKILL");
    const { exitCode, said } = await command.ended;
    expect(exitCode, said).toBe(4);
    expect(said).toContain("KIND_CREATE_FAILED");
    expect(said).toContain("kind ended with SIGKILL");
    expectNothingLeft();
  });

  test.each(["kind: Preparing nodes", "kind: Starting control-plane", "apply calico"])(
    "SIGINT at %s: the command itself removes all",
    async (step) => {
      const command = up();
      await command.told(step);
      process.kill(command.pid(), "SIGINT");
      const { exitCode, said } = await command.ended;
      expect(exitCode, said).toBe(130);
      expectNothingLeft();
    },
  );

  test("a removal that is itself killed is ended by the next", async () => {
    const command = up();
    await command.told("kind: Starting control-plane");
    process.kill(command.pid(), "SIGKILL");
    await command.ended;
    // Whoever made it, kind still runs.
    expect(kindProcesses()).not.toEqual([]);
    const removal = startOnTerminal(cnilab.stateHome, "down", NAME);
    await removal.told(`remove ${NAME}`);
    process.kill(removal.pid(), "SIGKILL");
    await removal.ended;
    const down = await cnilab.run("down", NAME);
    expect(down.exitCode, down.stderr).toBe(0);
    expectNothingLeft();
  });
});
