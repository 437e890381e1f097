import { execFileSync } from "node:child_process";
import { expect, test, vi } from "vitest";
import type { RigMachine } from "./machines.ts";
import { startScript } from "./on-terminal.ts";
import { describeOnRig } from "./rig.ts";
import { clientWords, environment, on, withMachines } from "./ssh-machines.ts";

/* Commands on a terminal of a machine, joined with one of ours that script(1) makes. */
describeOnRig("a terminal on a machine", () => {
  // What a terminal never says is waited for.
  vi.setConfig({ testTimeout: 60_000 });
  let machine: RigMachine;
  const { open } = withMachines(([first]) => {
    machine = first;
  });

  /** Afterwards it tells how this terminal is set up, and what became of the command. */
  function start(argv: readonly string[], options: { sudo?: boolean } = {}): ReturnType<typeof startScript> {
    const code = `
      import { execFileSync } from "node:child_process";
      const tty = execFileSync("tty", { stdio: ["inherit", "pipe", "inherit"], encoding: "utf8" });
      console.log("here " + tty.trim() + " there");
      const ended = await remote.terminal(${JSON.stringify(argv)}, ${JSON.stringify(options)}).catch((error) => error);
      execFileSync("stty", ["-a"], { stdio: "inherit" });
      console.log("ended " + (ended.code ?? ended.exitCode));
      await remote.close();
      process.exit(ended.exitCode ?? 1);`;
    return startScript(clientWords(machine, code), { terminal: "rows 30 cols 100", environment });
  }

  test("has our size, also when that changes, what is typed, and the command's exit code; ours is put back", async () => {
    const asked = `stty size; tty; printf "%s\\n" "$0"; read -r line; echo "got <$line>"; stty size; exit 7`;
    const terminal = start(["sh", "-c", asked, 'it\'s $(a)\n"b"']);
    await terminal.told(`it's $(a)\r\n"b"`);
    expect(terminal.said()).toMatch(/30 100\r\n\/dev\/pts\/\d+\r\n/);
    const tty = /here (\S+) there/.exec(terminal.said())?.[1] ?? "";
    execFileSync("stty", ["-F", tty, "cols", "77"]);
    const size = (): string => on(machine, "stty -F $(ls -t /dev/pts/[0-9]* | head -n 1) size");
    await expect.poll(size, { timeout: 10_000 }).toBe("30 77\n");
    terminal.script.stdin.write("żółć 'x'\r");
    const { exitCode, said } = await terminal.ended;
    expect(said).toContain("got <żółć 'x'>\r\n30 77\r\n");
    expect(said).toMatch(/[^-]icanon/);
    expect(said).toMatch(/[^-]echo /);
    expect(said).toContain("ended 7");
    expect(exitCode).toBe(7);
  });

  test("hands ctrl-C to the command alone, and root's programs to those who may sudo", async () => {
    const terminal = start(["sh", "-c", 'id -un; echo "ready"; exec sleep 9008'], { sudo: true });
    await terminal.told("root\r\nready");
    terminal.script.stdin.write("\u0003");
    const { exitCode } = await terminal.ended;
    expect(exitCode).toBe(130);
  });

  test("is hung up when the connection is lost: the command ends, ours is put back, and it is an error", async () => {
    const terminal = start(["sh", "-c", 'echo "ready"; exec sleep 9009']);
    await terminal.told("ready\r\n");
    on(machine, "pkill -KILL -u lab sshd");
    const { said } = await terminal.ended;
    expect(said).toMatch(/[^-]icanon/);
    expect(said).toContain("ended REMOTE_LOST");
    await expect.poll(() => on(machine, "pgrep -xf 'sleep 9009' || true"), { timeout: 10_000 }).toBe("");
  });

  test("is refused where we have none, and for what is no program", async () => {
    const remote = await open(machine);
    await expect(remote.terminal(["id"])).rejects.toMatchObject({ code: "REMOTE_NO_TERMINAL" });
    const terminal = start(["-x"]);
    expect((await terminal.ended).said).toContain("ended REMOTE_BAD_ARGUMENT");
  });
});
