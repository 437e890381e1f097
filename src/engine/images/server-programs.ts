import type { Behaviour } from "../servers/behaviour.ts";
import { flagValue, portOf } from "./flags.ts";
import { ended, http, IDLE, type ProcessContext, type ProcessPlan, type Program, UNHANDLED } from "./process.ts";
import { shortOption } from "./web-programs.ts";

function tcp(port: number | undefined, behaviour: Behaviour, name: string): ProcessPlan {
  return port === undefined
    ? ended(1, `${name}: the port is no port`)
    : { listens: [{ protocol: "TCP", port, behaviour }] };
}

/** The image's entrypoint refuses to start an empty database without a password (docker-library/postgres). */
function postgres({ args, env }: ProcessContext): ProcessPlan {
  const hasPassword = env.has("POSTGRES_PASSWORD") && env.get("POSTGRES_PASSWORD") !== "";
  if (!hasPassword && !env.has("POSTGRES_PASSWORD_FILE") && env.get("POSTGRES_HOST_AUTH_METHOD") !== "trust") {
    return ended(
      1,
      "Error: Database is uninitialized and superuser password is not specified. You must specify POSTGRES_PASSWORD to a non-empty value for the superuser.",
    );
  }
  return tcp(portOf(shortOption(args, "p") ?? env.get("PGPORT"), 5432), { kind: "postgres" }, "postgres");
}

/** As {@link postgres}: one of three variables says what the root password is to be (docker-library/mysql, mariadb). */
function mysqld({ args, env }: ProcessContext): ProcessPlan {
  const names = [
    "ROOT_PASSWORD",
    "ROOT_PASSWORD_FILE",
    "ALLOW_EMPTY_PASSWORD",
    "ALLOW_EMPTY_ROOT_PASSWORD",
    "RANDOM_ROOT_PASSWORD",
    "ROOT_PASSWORD_HASH",
  ];
  if (!names.some((name) => env.has(`MYSQL_${name}`) || env.has(`MARIADB_${name}`))) {
    return ended(
      1,
      "Database is uninitialized and password option is not specified: set MYSQL_ROOT_PASSWORD, MYSQL_ALLOW_EMPTY_PASSWORD or MYSQL_RANDOM_ROOT_PASSWORD",
    );
  }
  return tcp(portOf(flagValue(args, "port"), 3306), { kind: "mysql" }, "mysqld");
}

/** nc, ncat and netcat: `-l` with the port after -p or alone; -u UDP, -s the address, -e (or -c) what answers. */
function netcat({ args }: ProcessContext): ProcessPlan {
  const letters = args.filter((arg) => /^-[A-Za-z]+$/.test(arg)).join("");
  if (!letters.includes("l") && !args.includes("--listen")) return ended();
  const after = [shortOption(args, "e"), shortOption(args, "c")].find((value) => value !== undefined);
  const stop = args.findIndex((arg) => /^-[A-Za-z]*[ec]$/.test(arg));
  const own = stop < 0 ? args : args.slice(0, stop);
  const numbers = own.filter((arg, index) => /^\d+$/.test(arg) && !/^-[A-Za-z]*[wiqGs]$/.test(own[index - 1] ?? ""));
  const port = portOf(/^\d+$/.test(shortOption(own, "p") ?? "") ? shortOption(own, "p") : numbers.at(-1), 0);
  if (port === undefined || port === 0) return ended(1, "nc: no port to listen on");
  const address = shortOption(own, "s");
  const command = stop < 0 ? "" : args.slice(stop + 1).join(" ");
  const said = /^(?:\/bin\/)?echo\s+(?:-n\s+)?(.*)$/s.exec(command)?.[1];
  const behaviour: Behaviour =
    after === undefined
      ? { kind: "sink" }
      : /^(\/bin\/)?cat$/.test(command)
        ? { kind: "echo" }
        : /^(\/bin\/)?hostname$/.test(command)
          ? { kind: "say" }
          : said !== undefined
            ? { kind: "say", text: `${unquote(said)}\n` }
            : { kind: "sink" };
  return {
    listens: [
      {
        protocol: letters.includes("u") ? "UDP" : "TCP",
        port,
        behaviour,
        ...(address === undefined ? {} : { address }),
      },
    ],
    stop: UNHANDLED,
  };
}

function unquote(text: string): string {
  return text.replace(/^(['"])(.*)\1$/s, "$2");
}

/** socat ADDRESS ADDRESS: the first that listens; EXEC:cat and PIPE echo. */
function socat({ args }: ProcessContext): ProcessPlan {
  const match = args
    .map((arg) => /^(TCP|UDP)[46]?-(?:LISTEN|L|RECVFROM|RECV):(\d+)/i.exec(arg))
    .find((found) => found !== null);
  if (match === undefined || match === null) return ended();
  const isEcho = args.some((arg) => /^(PIPE\b|EXEC:.*\bcat\b|SYSTEM:.*\bcat\b)/i.test(arg));
  const protocol = match[1]?.toUpperCase() === "UDP" ? "UDP" : "TCP";
  return {
    listens: [{ protocol, port: Number(match[2]), behaviour: { kind: isEcho ? "echo" : "sink" } }],
    stop: { afterMs: 0, exitCode: 143 },
  };
}

/** Servers other than of HTTP, by the name they are called with. */
export const serverPrograms: Readonly<Record<string, Program>> = {
  "redis-server": ({ args }) => tcp(portOf(flagValue(args, "port"), 6379), { kind: "redis" }, "redis-server"),
  postgres,
  mysqld,
  mariadbd: mysqld,
  mongod: ({ args }) => tcp(portOf(flagValue(args, "port"), 27_017), { kind: "sink" }, "mongod"),
  memcached: ({ args }) =>
    tcp(portOf(flagValue(args, "port") ?? shortOption(args, "p"), 11_211), { kind: "memcached" }, "memcached"),
  iperf3: ({ args }) => {
    const isServer = args.some((arg) => /^-[A-Za-z]*s/.test(arg) || arg === "--server");
    return isServer
      ? tcp(portOf(flagValue(args, "port") ?? shortOption(args, "p"), 5201), { kind: "sink" }, "iperf3")
      : ended();
  },
  coredns: () => ({
    listens: [
      { protocol: "UDP", port: 53, behaviour: { kind: "dns" } },
      { protocol: "TCP", port: 53, behaviour: { kind: "dns" } },
      http(9153, "coredns-metrics"),
      http(8080, "ok"),
      http(8181, "ok"),
    ],
  }),
  nc: netcat,
  ncat: netcat,
  netcat,
  socat,
  pause: () => IDLE,
};
