import type { Command } from "commander";
import type { CliIo } from "./io.ts";
import { declareApply } from "./verbs/apply.ts";
import { declareBundle } from "./verbs/bundle.ts";
import { declareCompare } from "./verbs/compare.ts";
import { declareDoctor } from "./verbs/doctor.ts";
import { declareDown } from "./verbs/down.ts";
import { declareExam } from "./verbs/exam.ts";
import { declareExec } from "./verbs/exec.ts";
import { declareExplain } from "./verbs/explain.ts";
import { declareGrade } from "./verbs/grade.ts";
import { declareHint } from "./verbs/hint.ts";
import { declareInit } from "./verbs/init.ts";
import { declareKubeconfig } from "./verbs/kubeconfig.ts";
import { declareList } from "./verbs/list.ts";
import { declareLogs } from "./verbs/logs.ts";
import { declarePlan } from "./verbs/plan.ts";
import { declareProbe } from "./verbs/probe.ts";
import { declareReset } from "./verbs/reset.ts";
import { declareRun } from "./verbs/run.ts";
import { declareSchema } from "./verbs/schema.ts";
import { declareShell } from "./verbs/shell.ts";
import { declareStatus } from "./verbs/status.ts";
import { declareTest } from "./verbs/test.ts";
import { declareUp } from "./verbs/up.ts";
import { declareValidate } from "./verbs/validate.ts";
import { declareWatch } from "./verbs/watch.ts";

/** Adds one verb to the command line. */
export type DeclareVerb = (program: Command, io: CliIo) => void;

/** Every verb but completion, in the order that `--help` lists them. */
export const verbs = {
  run: declareRun,
  up: declareUp,
  apply: declareApply,
  probe: declareProbe,
  grade: declareGrade,
  watch: declareWatch,
  hint: declareHint,
  exam: declareExam,
  reset: declareReset,
  down: declareDown,
  status: declareStatus,
  exec: declareExec,
  shell: declareShell,
  kubeconfig: declareKubeconfig,
  logs: declareLogs,
  compare: declareCompare,
  explain: declareExplain,
  init: declareInit,
  test: declareTest,
  list: declareList,
  validate: declareValidate,
  plan: declarePlan,
  bundle: declareBundle,
  doctor: declareDoctor,
  schema: declareSchema,
} as const satisfies Record<string, DeclareVerb>;
