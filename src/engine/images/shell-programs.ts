import { ended, IDLE, UNHANDLED } from "./process.ts";
import type { ProcessContext, ProcessListen, ProcessPlan, ProcessStop, Program } from "./process.ts";
import { scriptCommands, type ScriptCommand } from "./shell-script.ts";
import { sleepMs } from "./sleep-time.ts";

/** Runs argv as the container's process; given by the registry, since a shell can run any program. */
export type RunProgram = (argv: readonly string[], context: ProcessContext) => ProcessPlan;

/** A shell: `-c SCRIPT`, or without one a prompt that ends at once where nobody types (no stdin). */
export function shell(run: RunProgram): Program {
  return (context) => {
    const { args, container } = context;
    const at = args.findIndex((arg) => /^-[a-z]*c$/.test(arg));
    if (at >= 0) return script(args[at + 1] ?? "", run, context);
    if (args.some((arg) => !arg.startsWith("-"))) return { listens: [], isUnknown: true };
    return container["stdin"] === true ? WAITING : ended(0, "the shell has no terminal and no command, and ended");
  };
}

function script(text: string, run: RunProgram, context: ProcessContext): ProcessPlan {
  const listens: ProcessListen[] = [];
  let isLooped = false;
  let isUnknown = false;
  let hasBackground = false;
  let exitCode = 0;
  const commands = scriptCommands(text);
  const trapped = trapOf(commands);
  for (const [index, command] of commands.entries()) {
    const [name, argument] = command.argv;
    if (name === "exit" && !command.isLooped) return ended(Number(argument ?? 0) || 0);
    if (name === "wait" && hasBackground) return { listens, isUnknown, stop: trapped ?? UNHANDLED };
    const plan = run(command.argv, context);
    listens.push(...plan.listens);
    isUnknown ||= plan.isUnknown === true;
    isLooped ||= command.isLooped;
    hasBackground ||= command.isBackground && plan.end === undefined;
    if (!command.isBackground) exitCode = plan.end?.exitCode ?? 0;
    // A process in the foreground that does not end is where the script stays.
    if (plan.end === undefined && !command.isBackground && !isLooped) {
      // Of the last command a shell becomes the process itself; of another it is the parent, and a trap waits for its end.
      const stop = index === commands.length - 1 && trapped === undefined ? plan.stop : UNHANDLED;
      return { listens, isUnknown, ...(stop === undefined ? {} : { stop }) };
    }
  }
  if (!isLooped) return ended(exitCode);
  // A trap runs when the command in the foreground has ended.
  const rounds = commands.filter((each) => each.isLooped).map(({ argv }) => sleepMs(argv) ?? 0);
  return { listens, isUnknown, stop: trapped === undefined ? UNHANDLED : { ...trapped, afterMs: Math.max(...rounds) } };
}

/** What a script does at SIGTERM that has a trap for it which exits. */
function trapOf(commands: readonly ScriptCommand[]): ProcessStop | undefined {
  const trap = commands.find(({ argv: [name, , ...signals] }) => name === "trap" && signals.some(isTerm));
  const exit = /\bexit\b(?:\s+(\d+))?/.exec(trap?.argv[1] ?? "");
  return exit === null ? undefined : { afterMs: 0, exitCode: Number(exit[1] ?? 0) };
}

function isTerm(signal: string): boolean {
  return /^(?:SIG)?TERM$|^15$/.test(signal);
}

/** Waits without listening, and has no handler for any signal. */
const WAITING: ProcessPlan = { ...IDLE, stop: UNHANDLED };

/** Programs that wait without listening, and how they are told from those that end. */
export const waitingPrograms: Readonly<Record<string, Program>> = {
  sleep: () => WAITING,
  tail: ({ args }) =>
    args.some((arg) => /^-[a-zA-Z]*[fF]/.test(arg) || arg.startsWith("--follow")) ? WAITING : ended(),
  top: () => WAITING,
  watch: () => WAITING,
  ping: ({ args }) => (args.includes("-c") ? ended() : WAITING),
  cat: ({ args, container }) => (args.length === 0 && container["stdin"] === true ? WAITING : ended()),
  false: () => ended(1),
};

/** Programs that do something and end; what they do is not modelled. */
export const endingPrograms: ReadonlySet<string> = new Set(
  "true : echo printf env printenv date hostname id uname whoami-user pwd ls cp mv rm mkdir touch chmod chown ln cd set export test [ [[ read trap kill wget curl nslookup dig host getent ip ifconfig route arp netstat ss nmap telnet apk apt apt-get yum dnf microdnf pip pip3 npm seq grep sed awk tr cut head wc sort uniq xargs tee find which command sysctl mount ulimit umask source . break continue return shift unset local wait break iptables nft tcpdump traceroute tracepath mtr fortio hey ab".split(
    " ",
  ),
);
