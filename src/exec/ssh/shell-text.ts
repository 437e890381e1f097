import { LabError } from "../../core/errors.ts";

/*
 * All text that a shell of a machine reads is made here. Two shells read it: the user's login shell, of whatever kind, reads a line
 * that never has anything from outside in it (`starter`); sh(1) reads the rest from standard input, quoted.
 */

/** A word that sh(1) takes as it is (POSIX.1 Shell Command Language, 2.2.2). REMOTE_BAD_ARGUMENT for what no program can be given. */
export function word(text: string): string {
  if (text.includes("\0")) {
    throw new LabError("REMOTE_BAD_ARGUMENT", "an argument has a NUL character, which no program can be given");
  }
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** {@link word} without a line break in it, for the line that {@link starter} reads. */
export function wordOnLine(text: string): string {
  return word(text).replaceAll("\n", `'"$cnilab_n"'`);
}

/** What precedes the output of a started command on both its streams: a login shell's start-up files may write there, too. */
export function startMark(id: string): string {
  return `cnilab-${id}`;
}

/** Written to standard error when the program could not be executed. */
export function notStartedMark(id: string): string {
  return `cnilab-${id}-not-started`;
}

/** What sudo asks with, so that it is known when it asks. */
export const SUDO_PROMPT = "cnilab-sudo-password";

export type Privilege = { kind: "user" } | { kind: "sudo" } | { kind: "sudo-password" };

/**
 * A command line for any login shell: starts sh(1), which tells its process id and then carries out the first line of its
 * standard input. It has no backslash, line break or history character, which shells read differently; $IFS ends in a line feed.
 */
export function starter(id: string, privilege: Privilege["kind"]): string {
  const mark = startMark(id);
  const code = `cnilab_n=\${IFS#??}; echo ${mark} $$; echo ${mark} >&2; IFS= read -r cnilab_l && eval "$cnilab_l"`;
  const sudo = {
    user: "",
    sudo: "env LC_ALL=C sudo -n -- ",
    // -k: a password is read even where a former one is still good, or it would reach the command's standard input.
    "sudo-password": `env LC_ALL=C sudo -k -S -p ${SUDO_PROMPT} -- `,
  }[privilege];
  return `exec ${sudo}sh -c '${code}'`;
}

/** What bears the mark of a started command: its environment, and that of all it starts. */
export function runMark(id: string, run: number): string {
  return `CNILAB_RUN=${id}.${run}.`;
}

/**
 * The line that makes the started shell into a program. `warden` is the process that ends it when we are gone: without one it must
 * not start.
 */
export function execLine(id: string, run: number, warden: number, argv: readonly string[]): string {
  const [program = ""] = argv;
  if (program === "" || program.startsWith("-")) {
    throw new LabError("REMOTE_BAD_ARGUMENT", `${JSON.stringify(program)} is no name of a program`);
  }
  const guard = `[ -e /proc/${warden} ] || exit 125; export ${runMark(id, run)}$$`;
  const trap = `trap "echo ${notStartedMark(id)} >&2" EXIT`;
  return `${guard}; ${trap}; exec ${argv.map(wordOnLine).join(" ")}\n`;
}

/** {@link starter} and {@link execLine} in one, for a command with a terminal, which cannot be given a line unseen. */
export function terminalCommand(argv: readonly string[], sudo: boolean): string {
  const [program = ""] = argv;
  if (program === "" || program.startsWith("-")) {
    throw new LabError("REMOTE_BAD_ARGUMENT", `${JSON.stringify(program)} is no name of a program`);
  }
  const code = Buffer.from(`exec ${argv.map(word).join(" ")}`).toString("base64");
  return `exec ${sudo ? "sudo -- " : ""}sh -c 'eval "$(echo "$1" | base64 -d)"' sh ${code}`;
}

/** One step for a shell that reads commands: its output ends with `mark` on both streams, and on standard output its exit status. */
export function stepText(id: string, run: number, mark: string, script: string, args: readonly string[]): string {
  // In the forked shell $$ is still its parent's; /proc/self is itself. A pattern finds its number in four system calls and without
  // another fork, where read takes a byte at a time. What steps leave running has the mark of its own step.
  const own = `set -- /proc/self/task/*; export ${runMark(id, run)}\${1##*/}`;
  const body = `set -- ${args.map(word).join(" ")}; eval ${word(script)}`;
  return `(${own}; ${body}) </dev/null; printf '${mark} %d.' $?; printf '${mark}.' >&2\n`;
}
