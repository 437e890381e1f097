import type { LabWarning } from "../../core/errors.ts";
import type { Container, Pod } from "../../kube/types.ts";
import type { ReadFile } from "../mounted-files.ts";
import type { ServiceVariables } from "../service-variables.ts";
import type { Listen } from "../servers/behaviour.ts";
import { agnhost } from "./agnhost.ts";
import { parseImageName } from "./image-name.ts";
import { knownImages, type KnownImage } from "./known-images.ts";
import {
  ended,
  environment,
  expand,
  type ProcessContext,
  type ProcessListen,
  type ProcessPlan,
  type ProcessStop,
  type Program,
  UNHANDLED,
} from "./process.ts";
import { pilotAgent } from "./pilot-agent.ts";
import { serverPrograms } from "./server-programs.ts";
import { endingPrograms, shell, waitingPrograms } from "./shell-programs.ts";
import { traefik } from "./traefik.ts";
import { webPrograms } from "./web-programs.ts";

/** What a container would do: the sockets it opens, or why it does not run. */
export interface ContainerPlan {
  name: string;
  image: string;
  listens: Listen[];
  /** The process ends by itself. */
  end?: { exitCode: number; message: string };
  /** The container is never started. */
  waiting?: { reason: string; message: string };
  /** What it does when it is told to end. */
  stop: ProcessStop;
  /** Whether nothing is known of the image or its command. */
  isUnknown: boolean;
  /** A shell or a tool that reads what is typed (`stdin: true`): nothing of it is played, whoever attaches has it run. */
  attached?: readonly string[];
}

const sh = shell(runProgram);

/** Programs by the last part of argv[0]. A program that hands over to its arguments is in {@link wrappers}. */
const programs: Readonly<Record<string, Program>> = {
  ...webPrograms,
  ...serverPrograms,
  ...waitingPrograms,
  agnhost,
  traefik,
  "pilot-agent": pilotAgent,
  sh,
  ash: sh,
  bash: sh,
  zsh: sh,
  "python3-prompt": ({ container }) =>
    container["stdin"] === true
      ? { listens: [] }
      : ended(0, "the interpreter has no terminal and no script, and ended"),
};

/** What is known of none to go on ends at once. */
const AT_ONCE: ProcessStop = { afterMs: 0, exitCode: 0 };

/** They are process 1 themselves, and hand signals on to a process that is not. */
const inits = new Set(["tini", "dumb-init"]);

const wrappers = new Set([
  "docker-entrypoint.sh",
  "docker-entrypoint",
  "entrypoint.sh",
  "tini",
  "dumb-init",
  "env",
  "exec",
  "nohup",
  "su-exec",
  "gosu",
  "busybox",
]);

/**
 * What the containers of a pod would do with these images, commands, arguments, variables (those of Services included) and
 * mounted files; sidecars included. Init containers are taken to have ended well.
 */
export function planPod(pod: Pod, services?: ServiceVariables, read?: ReadFile): ContainerPlan[] {
  const sidecars = (pod.spec.initContainers ?? []).filter((container) => container["restartPolicy"] === "Always");
  const plans = [...sidecars, ...pod.spec.containers].map((container) => planContainer(container, services, read));
  // Process 1 is then the pause container's, or the node's.
  const isShared = pod.spec["shareProcessNamespace"] === true || pod.spec["hostPID"] === true;
  return isShared ? plans.map((plan) => ({ ...plan, stop: notFirst(plan.stop) })) : plans;
}

/** The same of a process that is not process 1: a signal without a handler ends it. */
function notFirst(stop: ProcessStop): ProcessStop {
  return stop === UNHANDLED ? { ...UNHANDLED, afterMs: 0 } : stop;
}

/** {@link planPod} of one container. */
export function planContainer(container: Container, services?: ServiceVariables, read?: ReadFile): ContainerPlan {
  const { name, image } = container;
  const parsed = parseImageName(image);
  if (parsed === undefined) {
    const message = `Failed to apply default image tag "${image}": couldn't parse image name "${image}": invalid reference format`;
    const waiting = { reason: "InvalidImageName", message };
    return { name, image, listens: [], waiting, stop: AT_ONCE, isUnknown: false };
  }
  const env = environment(container, services);
  const known = findImage(parsed.repository);
  const argv = commandOf(container, known).map((word) => expand(word, env));
  const plan =
    argv.length === 0
      ? { listens: [], isUnknown: true }
      : runProgram(argv, {
          args: [],
          env,
          repository: parsed.repository,
          container,
          readFile: (path) => read?.(container, path),
        });
  const isAttached = container["stdin"] === true && plan.listens.length === 0 && isShellOrTool(argv);
  // What is made for one client waits for it: its output is that client's to see.
  const end = isAttached && container["stdinOnce"] === true ? undefined : plan.end;
  const listens =
    plan.isUnknown === true ? [...plan.listens, ...declaredListens(container, plan.listens)] : plan.listens;
  return {
    name,
    image,
    listens: end === undefined ? listens.map((listen) => ({ container: name, ...listen })) : [],
    ...(end === undefined ? {} : { end }),
    stop: plan.stop ?? AT_ONCE,
    isUnknown: plan.isUnknown === true,
    ...(isAttached ? { attached: argv } : {}),
  };
}

function isShellOrTool([path = ""]: readonly string[]): boolean {
  const name = path.slice(path.lastIndexOf("/") + 1);
  return (
    (Object.hasOwn(programs, name) && programs[name] === sh) ||
    Object.hasOwn(waitingPrograms, name) ||
    endingPrograms.has(name)
  );
}

/** Warnings about containers of a pod, or of a workload's pod template, that are not modelled. */
export function imageWarnings(containers: readonly Container[]): LabWarning[] {
  return containers
    .map((container) => planContainer(container))
    .flatMap(({ name, image, isUnknown, listens }) => {
      if (!isUnknown) return [];
      const ports = listens.map(({ port, protocol }) => `${port}/${protocol.toLowerCase()}`).join(", ");
      const served =
        ports === ""
          ? "it declares no ports, so nothing listens in it"
          : `plain servers listen on its declared ports ${ports}`;
      const hint = "docs/images.md lists the images and commands that are modelled; kind and ssh run the real image";
      return [
        {
          code: "IMAGE_NOT_MODELLED",
          message: `container "${name}": what image "${image}" runs is not known here; ${served}`,
          hint,
        },
      ];
    });
}

function findImage(repository: string): KnownImage | undefined {
  const key = keyOf(repository);
  return key === undefined ? undefined : knownImages[key];
}

function keyOf(repository: string): string | undefined {
  const segments = repository.split("/");
  return [segments.slice(-2).join("/"), segments.at(-1) ?? ""].find((name) => Object.hasOwn(knownImages, name));
}

/** The name under which the image is known here; undefined where it is not. */
export function knownImageName(image: string): string | undefined {
  const parsed = parseImageName(image);
  return parsed === undefined ? undefined : keyOf(parsed.repository);
}

/** `command` replaces ENTRYPOINT and drops CMD, `args` replaces CMD (kubernetes.io … define-command-argument-container). */
function commandOf(container: Container, known: KnownImage | undefined): string[] {
  const { command = [], args = [] } = container;
  if (command.length > 0) return [...command, ...args];
  if (known === undefined) return [];
  return [...known.entrypoint, ...(args.length > 0 ? args : known.cmd)];
}

function runProgram(argv: readonly string[], context: ProcessContext): ProcessPlan {
  const [path = "", ...args] = argv;
  const name = path.slice(path.lastIndexOf("/") + 1);
  if (name === "") return ended(127);
  if (wrappers.has(name)) {
    const plan = runWrapped(args, context);
    return inits.has(name) && plan.stop !== undefined ? { ...plan, stop: notFirst(plan.stop) } : plan;
  }
  const program = Object.hasOwn(programs, name) ? programs[name] : undefined;
  if (program !== undefined) return program({ ...context, args });
  return endingPrograms.has(name) ? ended() : { listens: [], isUnknown: true };
}

/** Entrypoints of the official images add the server's name where the first argument is an option. */
function runWrapped(args: readonly string[], context: ProcessContext): ProcessPlan {
  const start = args.findIndex((arg) => arg !== "--" && !/^[A-Za-z_][A-Za-z0-9_]*=/.test(arg));
  const [first = ""] = start < 0 ? [] : args.slice(start);
  const server = findImage(context.repository)?.cmd[0];
  if (first.startsWith("-") && server !== undefined) return runProgram([server, ...args.slice(start)], context);
  return start < 0 ? ended() : runProgram(args.slice(start), context);
}

function declaredListens(container: Container, present: readonly ProcessListen[]): ProcessListen[] {
  return (container.ports ?? []).flatMap(({ containerPort: port, protocol = "TCP" }): ProcessListen[] => {
    if (protocol === "SCTP" || present.some((listen) => listen.port === port && listen.protocol === protocol))
      return [];
    return [{ protocol, port, behaviour: { kind: "echo" } }];
  });
}
