import type { LabWarning } from "../../core/errors.ts";
import { isRecord } from "../../core/is-record.ts";
import type { Container } from "../../kube/types.ts";
import type { PreStopHook } from "../pod-runtime.ts";
import type { Listen } from "../servers/behaviour.ts";
import { socketFault } from "./probe-fault.ts";
import { scriptCommands } from "./shell-script.ts";
import { sleepMs } from "./sleep-time.ts";

/**
 * What the container's preStop hook does: `sleep` (KEP-3960) waits; `httpGet` needs a connection, whatever the answer's status is
 * (pkg/kubelet/lifecycle/handlers.go); of `exec`, `sleep` and `nginx -s` are known, alone or in `sh -c`, and the rest is taken to succeed at once.
 * Undefined where there is none.
 */
export function preStopHook(container: Container, listens: readonly Listen[]): PreStopHook | undefined {
  const hook = hookOf(container);
  if (hook === undefined) return undefined;
  const { sleep, httpGet, exec } = hook;
  if (isRecord(sleep)) return { takesMs: Math.max(0, Number(sleep["seconds"] ?? 0)) * 1000 };
  if (isRecord(httpGet)) {
    // Of somebody else nothing is known.
    const fault = httpGet["host"] === undefined ? socketFault(container, listens, httpGet["port"]) : undefined;
    return { takesMs: 0, ...(fault === undefined ? {} : { fault }) };
  }
  return isRecord(exec) ? commandHook(exec) : undefined;
}

/** Warnings about preStop hooks whose command is not modelled. */
export function hookWarnings(containers: readonly Container[]): LabWarning[] {
  return containers.flatMap((container) => {
    const exec = hookOf(container)?.["exec"];
    if (!isRecord(exec) || commandsOf(exec).every(isKnown)) return [];
    return [
      {
        code: "MANIFEST_NOT_MODELLED",
        message: `container "${container.name}": what its preStop hook runs is not modelled, and taken to succeed at once`,
        hint: "sleep and nginx -s quit are modelled; kind and ssh run the real command",
      },
    ];
  });
}

function hookOf(container: Container): Record<string, unknown> | undefined {
  const { lifecycle } = container as { lifecycle?: unknown };
  const hook = isRecord(lifecycle) ? lifecycle["preStop"] : undefined;
  return isRecord(hook) ? hook : undefined;
}

function commandHook(exec: Record<string, unknown>): PreStopHook {
  let takesMs = 0;
  for (const argv of commandsOf(exec)) {
    takesMs += sleepMs(argv) ?? 0;
    // nginx(8): both end the master process, whose exit ends the container.
    if (isNginxStop(argv)) return { takesMs, exitCode: 0 };
  }
  return { takesMs };
}

function commandsOf({ command }: Record<string, unknown>): string[][] {
  const argv = Array.isArray(command) ? command.map(String) : [];
  const script =
    /(?:^|\/)(?:ba|da|a|z)?sh$/.test(argv[0] ?? "") && /^-[a-z]*c$/.test(argv[1] ?? "") ? argv[2] : undefined;
  return script === undefined ? [argv] : scriptCommands(script).map((each) => each.argv);
}

function isKnown(argv: readonly string[]): boolean {
  return sleepMs(argv) !== undefined || isNginxStop(argv);
}

function isNginxStop([path = "", option, signal]: readonly string[]): boolean {
  return /(?:^|\/)nginx$/.test(path) && option === "-s" && (signal === "quit" || signal === "stop");
}
