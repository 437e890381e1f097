import { isMapping } from "../../../core/yaml-source.ts";

/** What a line of the ansible.posix.jsonl callback tells. */
export type PlaybookEvent =
  | { kind: "task"; name: string }
  | {
      kind: "result";
      host: string;
      task: string;
      outcome: "ok" | "changed" | "skipped" | "failed" | "unreachable";
      /** Of a failure: what the module says. */
      message: string;
    }
  | { kind: "stats"; hosts: Record<string, HostStats> };

/** How many tasks ended how on a host. */
export interface HostStats {
  changed: number;
  failures: number;
  unreachable: number;
}

const OUTCOMES: Readonly<Record<string, "ok" | "skipped" | "failed" | "unreachable">> = {
  v2_runner_on_ok: "ok",
  v2_runner_on_skipped: "skipped",
  v2_runner_on_failed: "failed",
  v2_runner_on_unreachable: "unreachable",
};

/** Events of one line; none where it is text, such as a warning, or an event that nobody needs. */
export function readEvents(line: string): PlaybookEvent[] {
  if (!line.startsWith("{")) return [];
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    // A line of a message that begins with a brace.
    return [];
  }
  if (!isMapping(value)) return [];
  const event = String(value["_event"]);
  if (event === "v2_playbook_on_stats" && isMapping(value["stats"])) {
    return [{ kind: "stats", hosts: readStats(value["stats"]) }];
  }
  const task = taskName(value);
  if (event === "v2_playbook_on_task_start" || event === "v2_playbook_on_handler_task_start") {
    return [{ kind: "task", name: task }];
  }
  const ended = OUTCOMES[event];
  if (ended === undefined || !isMapping(value["hosts"])) return [];
  return Object.entries(value["hosts"]).map(([host, result]) => ({
    kind: "result",
    host,
    task,
    outcome: ended === "ok" && isMapping(result) && result["changed"] === true ? "changed" : ended,
    message: ended === "failed" || ended === "unreachable" ? messageOf(result) : "",
  }));
}

/** Without the role's name, which Ansible puts before. */
function taskName(event: Record<string, unknown>): string {
  const task = event["task"];
  const name = isMapping(task) && typeof task["name"] === "string" ? task["name"] : "";
  return name.replace(/^[\w-]+ : /, "");
}

/** What a module says of its failure; in a loop that of the items that failed. */
function messageOf(result: unknown): string {
  if (!isMapping(result)) return "";
  const items = Array.isArray(result["results"]) ? result["results"] : [];
  const failed = items.filter((item) => isMapping(item) && item["failed"] === true);
  if (failed.length > 0) return failed.map(messageOf).join("\n");
  const texts = ["msg", "stderr", "module_stderr", "module_stdout"].map((key) => result[key]);
  return texts.filter((text): text is string => typeof text === "string" && text.trim() !== "").join("\n");
}

function readStats(stats: Record<string, unknown>): Record<string, HostStats> {
  const count = (value: unknown): number => (typeof value === "number" ? value : 0);
  return Object.fromEntries(
    Object.entries(stats).map(([host, each]) => {
      const counts = isMapping(each) ? each : {};
      const { changed, failures, unreachable } = counts as Record<string, unknown>;
      return [host, { changed: count(changed), failures: count(failures), unreachable: count(unreachable) }];
    }),
  );
}
