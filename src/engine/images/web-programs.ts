import { flagValue, listenAddress, portOf } from "./flags.ts";
import { ended, GO_UNHANDLED, http, UNHANDLED } from "./process.ts";
import type { ProcessContext, ProcessPlan, ProcessStop, Program } from "./process.ts";
import type { HttpAppName } from "../servers/behaviour.ts";

function onPort(port: number | undefined, app: HttpAppName, name: string, stop?: ProcessStop): ProcessPlan {
  if (port === undefined) return ended(1, `${name}: the port is no port`);
  return { listens: [http(port, app)], ...(stop === undefined ? {} : { stop }) };
}

/** hashicorp/http-echo: -text (or ECHO_TEXT) is needed, -listen defaults to :5678. */
function httpEcho({ args, env }: ProcessContext): ProcessPlan {
  const text = flagValue(args, "text") ?? env.get("ECHO_TEXT");
  if (text === undefined || text === "") return ended(127, "Missing -text option!");
  const { address, port } = listenAddress(flagValue(args, "listen"), 5678);
  if (port === undefined) return ended(127, "http-echo: -listen is no address");
  const status = portOf(flagValue(args, "status-code"), 200) ?? 200;
  return {
    listens: [http(port, "fixed-text", { text: `${text}\n`, status, ...(address === undefined ? {} : { address }) })],
  };
}

/** busybox httpd: [-p [ADDRESS:]PORT] [-f]; without -f it goes to the background and the caller goes on. */
function busyboxHttpd({ args }: ProcessContext): ProcessPlan {
  const { address, port } = listenAddress(shortOption(args, "p"), 80);
  if (port === undefined) return ended(1, "httpd: -p is no address");
  const listens = [http(port, "directory-listing", address === undefined ? {} : { address })];
  const isForeground = args.some((arg) => /^-[a-z]*f/.test(arg));
  return isForeground
    ? { listens, stop: UNHANDLED }
    : {
        listens,
        end: { exitCode: 0, message: "httpd went to the background and the container's process ended; add -f" },
      };
}

/** python -m http.server [PORT] [--bind ADDRESS]. */
function python({ args }: ProcessContext): ProcessPlan {
  const module = args.indexOf("-m");
  const name = args[module + 1];
  if (module < 0 || (name !== "http.server" && name !== "SimpleHTTPServer")) return { listens: [], isUnknown: true };
  const rest = args.slice(module + 2);
  const port = portOf(
    rest.find((arg, index) => /^\d+$/.test(arg) && !(rest[index - 1] ?? "").startsWith("-")),
    8000,
  );
  const bind = flagValue(rest, "bind", "b");
  const { address } = listenAddress(bind === undefined ? undefined : `${bind}:0`, 0);
  return port === undefined
    ? ended(1, "python: no such port")
    : { listens: [http(port, "directory-listing", address === undefined ? {} : { address })], stop: UNHANDLED };
}

/** The value of a one-letter option, apart (`-p 80`) or joined (`-p80`, `-fp 80`). */
export function shortOption(args: readonly string[], letter: string): string | undefined {
  for (const [index, arg] of args.entries()) {
    const match = /^-([A-Za-z]+)(.*)$/.exec(arg);
    if (match === null || arg.startsWith("--")) continue;
    const at = (match[1] ?? "").indexOf(letter);
    if (at < 0) continue;
    const joined = (match[1] ?? "").slice(at + 1) + (match[2] ?? "");
    return joined === "" ? args[index + 1] : joined;
  }
  return undefined;
}

/** Programs that serve HTTP, by the name they are called with. */
export const webPrograms: Readonly<Record<string, Program>> = {
  nginx: ({ args, repository }) => {
    const isCheck = args.some((arg) => /^-[tTvV]$/.test(arg));
    return isCheck ? ended() : { listens: [http(repository.endsWith("nginx-unprivileged") ? 8080 : 80, "nginx")] };
  },
  "httpd-foreground": () => ({ listens: [http(80, "apache")] }),
  httpd: (context) => (context.repository === "httpd" ? { listens: [http(80, "apache")] } : busyboxHttpd(context)),
  "http-echo": httpEcho,
  whoami: ({ args, env }) =>
    onPort(portOf(flagValue(args, "port") ?? env.get("WHOAMI_PORT_NUMBER"), 80), "whoami", "whoami", GO_UNHANDLED),
  "ealen-echo-server": ({ args, env }) =>
    onPort(portOf(flagValue(args, "port") ?? env.get("PORT"), 80), "echo-json", "echo-server"),
  "jmalloc-echo-server": ({ env }) => onPort(portOf(env.get("PORT"), 8080), "echo-text", "echo-server", GO_UNHANDLED),
  echoserver: () => ({ listens: [http(8080, "echo-text")] }),
  "hello-app": ({ env }) => onPort(portOf(env.get("PORT"), 8080), "hello-app", "hello-app", GO_UNHANDLED),
  "nginx-hello": () => ({ listens: [http(80, "echo-text")] }),
  python,
  python3: python,
};
