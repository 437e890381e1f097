import { LabError, LabProblems } from "../core/errors.ts";
import type { Verdict } from "../grade/types.ts";

/** What the process exits with; scripts rely on it (docs/cli.md). */
export const exitCodes = {
  pass: 0,
  expectationFailed: 1,
  usage: 2,
  inconclusive: 3,
  provisioning: 4,
  hostLacks: 5,
  /** As shells and env(1) tell it. */
  noSuchProgram: 127,
  interrupted: 130,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

const { usage, inconclusive, provisioning, hostLacks, noSuchProgram, interrupted } = exitCodes;

/** Codes that their prefix would put into another class. */
const exact: Readonly<Record<string, ExitCode>> = {
  INTERRUPTED: interrupted,
  ABORTED: interrupted,
  EXEC_NO_SUCH_PROGRAM: noSuchProgram,
  // The host's or the lab process's doing, not the lab file's.
  LAB_PROCESS_ENDED: provisioning,
  LAB_PROCESS_GONE: provisioning,
  LAB_STUCK: provisioning,
  STATE_UNWRITABLE: hostLacks,
  SUPPLY_MISSING: hostLacks,
  SUPPLY_UNREACHABLE: hostLacks,
  BUNDLE_NOT_FOUND: usage,
  BUNDLE_INVALID: usage,
  INVENTORY_UNREADABLE: usage,
  // What a step or a probe of the lab file says wrongly; other codes of these words tell what went wrong while it ran.
  CURL_BAD_PATTERN: usage,
  CURL_BAD_URL: usage,
  CURL_CACERT: usage,
  CURL_NO_TARGET: usage,
  IPERF_LOAD: usage,
  MATRIX_NO_PODS_NAMED: usage,
  PATH_BAD_PORT: usage,
  SCENARIO_BAD_REF: usage,
  SCENARIO_BAD_FILE: usage,
  SCENARIO_COMMAND_STRING: usage,
  WAIT_BAD_CONDITION: usage,
  WAIT_NO_CONDITION: usage,
  WATCH_NOT_POSSIBLE: usage,
  // Of all POLICY_ codes these two are a manifest's fault.
  POLICY_INVALID: usage,
  POLICY_BAD_PORT_RANGE: usage,
};

/** By the first word of the code; the first that fits counts. */
const byPrefix: readonly (readonly [prefix: string, exitCode: ExitCode])[] = [
  ["HOST_", hostLacks],
  ["USAGE_", usage],
  ["LAB_", usage],
  ["EXAM_", usage],
  ["YAML_", usage],
  ["MANIFEST_", usage],
  ["TOPOLOGY_", usage],
  ["PLAN_", usage],
  ["PROVIDER_", usage],
  ["RECORD_", usage],
  ["SOURCE_", usage],
  ["GIT_", usage],
  ["PROBE_", inconclusive],
];

/** The exit code of one error code; what no rule names came from a lab that could not be made or changed. */
export function exitCodeOf(code: string): ExitCode {
  const known = exact[code];
  if (known !== undefined && Object.hasOwn(exact, code)) return known;
  return byPrefix.find(([prefix]) => code.startsWith(prefix))?.[1] ?? provisioning;
}

/** The exit code of whatever was thrown; of several problems, the one a person has to mend first. */
export function exitCodeOfError(error: unknown): ExitCode {
  if (error instanceof LabProblems) {
    const codes = error.problems.map((problem) => exitCodeOf(problem.code));
    return (
      ([interrupted, usage, hostLacks, inconclusive] as const).find((code) => codes.includes(code)) ?? provisioning
    );
  }
  return error instanceof LabError ? exitCodeOf(error.code) : provisioning;
}

/** The exit code of a grade. */
export function exitCodeOfVerdict(verdict: Verdict): ExitCode {
  return { pass: exitCodes.pass, fail: exitCodes.expectationFailed, inconclusive: exitCodes.inconclusive }[verdict];
}
