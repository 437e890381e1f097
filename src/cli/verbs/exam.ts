import { InvalidArgumentError, Option, type Command } from "commander";
import { parseDurationMs } from "../../core/duration.ts";
import { makeVisible, makeVisibleLine } from "../../core/visible-text.ts";
import type { ReporterName } from "../../report/registry.ts";
import { wholeSeconds } from "../../report/time-text.ts";
import { verdictWords } from "../../report/types.ts";
import type { ExamStatus } from "../../run/exam/exam-status.ts";
import type { StartedExam } from "../../run/exam/start-exam.ts";
import { labArgument, outputOption, quietOption, withExamples } from "../help.ts";
import type { CliIo } from "../io.ts";
import { withBundle, withReporters, type ReporterTarget } from "../lab-options.ts";
import { writeData, type DataFormat } from "../write-data.ts";
import { writeTexts } from "../write-report.ts";

interface StartOptions {
  time?: number;
  passMark?: number;
  name?: string;
  provider?: string;
  parallel: number;
  output: DataFormat;
  quiet?: boolean;
  bundle?: string;
}

const nameArgument = "name of the exam; not needed where there is only one";

/** Labs at once. */
const MOST_PARALLEL = 16;
const SHORTEST_MS = 1000;
const LONGEST_MS = 24 * 3_600_000;

/** `cnilab exam`: several labs, a time limit, one score, no hints. */
export function declareExam(program: Command, io: CliIo): void {
  const exam = program
    .command("exam")
    .summary("take an exam: several labs, one time limit, one score")
    .description(
      "Several labs under one time limit with one score, to be solved with kubectl. Hints and grades wait until it is finished.",
    );
  withExamples(exam, [
    ["cnilab exam start cka-networking", "makes all labs; the time runs when they are up"],
    ['export KUBECONFIG="$(cnilab exam kubeconfig --path)"', "kubectl works on them: kubectl --context LAB …"],
    ["cnilab exam status", "the tasks, and the time that is left"],
    ["cnilab exam finish", "ends it, and grades it"],
    ["cnilab exam down", "removes it and its labs"],
  ]);
  declareStart(exam, io);
  declareStatus(exam, io);
  declareKubeconfig(exam, io);
  declareFinish(exam, io);
  declareDown(exam, io);
}

function declareStart(exam: Command, io: CliIo): void {
  const start = exam
    .command("start")
    .summary("make all labs of an exam and start its time")
    .description(
      "Makes every lab of an exam. Its time runs from when all are up; where one cannot be made, none is left.",
    )
    .argument("<exam-or-lab...>", `exam file, name of an exam that comes with cnilab, or labs: ${labArgument}`)
    .addOption(
      new Option(
        "--time <duration>",
        "how long it may take, such as 90m; default what the file says, of labs 2h",
      ).argParser(parseTime),
    )
    .addOption(
      new Option("--pass-mark <percent>", "what passes; default what the file says, of labs 66").argParser(
        parsePassMark,
      ),
    )
    .option("--name <name>", "what the exam is called; default as its file says, of labs exam")
    .option("--provider <name>", "what the nodes are made of, where the exam does not say it of a lab")
    .addOption(new Option("--parallel <n>", "labs that are made at once").argParser(parseParallel).default(2))
    .addOption(outputOption())
    .addOption(quietOption());
  withExamples(withBundle(start), [
    ["cnilab exam start ./my-exam.yaml", "an exam of your own"],
    ["cnilab exam start default-deny nodeport --time 30m", "two labs, each worth half of the score"],
  ]).action(async (labs: string[], options: StartOptions) => {
    const { startExam } = await import("../../run/exam/start-exam.ts");
    const { time: limitMs, passMark, name, provider, parallel } = options;
    const started = await startExam(
      { labs, limitMs, passMark, name, provider, parallel },
      io.runContext({ isQuiet: options.quiet, bundle: options.bundle }),
    );
    writeData(started, options.output, io, () => describeStarted(started, io));
  });
}

function declareStatus(exam: Command, io: CliIo): void {
  const status = exam
    .command("status")
    .summary("the tasks of an exam, and the time that is left")
    .description("Shows the exams there are, their tasks and the time that is left; nothing of what is right or wrong.")
    .argument("[name]", "name of the exam; default all")
    .addOption(outputOption());
  withExamples(status, [["cnilab exam status", "every exam"]]).action(
    async (name: string | undefined, { output }: { output: DataFormat }) => {
      const { examStatuses } = await import("../../run/exam/exam-status.ts");
      const statuses = await examStatuses(name, io.runContext());
      writeData(statuses, output, io, () =>
        statuses.length === 0
          ? "there is no exam; cnilab exam start begins one\n"
          : statuses.map((each) => describeStatus(each, io)).join("\n"),
      );
    },
  );
}

function declareKubeconfig(exam: Command, io: CliIo): void {
  const kubeconfig = exam
    .command("kubeconfig")
    .summary("print the kubeconfig of an exam: a context for every lab")
    .description(
      "Prints the kubeconfig of an exam, whose contexts are called as its labs. The file is readable by you alone.",
    )
    .argument("[name]", nameArgument)
    .option("--path", "print where the file is instead");
  withExamples(kubeconfig, [
    ['export KUBECONFIG="$(cnilab exam kubeconfig --path)"', "then: kubectl config use-context LAB"],
  ]).action(async (name: string | undefined, options: { path?: boolean }) => {
    const { examKubeconfigPath } = await import("../../run/exam/exam-kubeconfig.ts");
    const { readFileSync } = await import("node:fs");
    const path = examKubeconfigPath(name, io.runContext({ isQuiet: true }));
    io.out(options.path === true ? `${path}\n` : readFileSync(path, "utf8"));
  });
}

function declareFinish(exam: Command, io: CliIo): void {
  const finish = exam
    .command("finish")
    .alias("grade")
    .summary("end an exam and grade it")
    .description(
      "Ends an exam, grades all its labs and shows one score; the verdict is the exit code. From then on hints and grades of its labs are open. " +
        "Of an exam that is finished, shows its report again.",
    )
    .argument("[name]", nameArgument)
    .addOption(outputOption())
    .addOption(quietOption());
  withExamples(withReporters(finish), [
    ["cnilab exam finish", "the score, and what is wrong in every task"],
    ["cnilab exam finish --reporter junit=exam.xml,json=exam.json", "also for programs"],
  ]).action(
    async (
      name: string | undefined,
      options: { output: ReporterName; reporter: ReporterTarget[]; quiet?: boolean },
    ) => {
      const { finishExam } = await import("../../run/exam/finish-exam.ts");
      const report = await finishExam(name, io.runContext({ isQuiet: options.quiet }));
      const { examReporters } = await import("../../report/exam.ts");
      await writeTexts(
        (format, style) => Promise.resolve(examReporters[format](report, style)),
        report.verdict,
        options,
        io,
      );
    },
  );
}

function declareDown(exam: Command, io: CliIo): void {
  const down = exam
    .command("down")
    .summary("remove an exam and its labs")
    .description("Removes an exam, finished or not, with all its labs and its report.")
    .argument("[name]", nameArgument)
    .addOption(quietOption());
  withExamples(down, [["cnilab exam down", "the only one"]]).action(
    async (name: string | undefined, { quiet }: { quiet?: boolean }) => {
      const { downExam } = await import("../../run/exam/down-exam.ts");
      const removed = await downExam(name, io.runContext({ isQuiet: quiet }));
      io.closeProgress();
      io.out([...removed.labs, removed.exam].map((each) => `${each} removed\n`).join(""));
    },
  );
}

type ToDo = Pick<StartedExam, "labs">;

function describeTasks({ labs }: ToDo, io: CliIo): string {
  return labs
    .map(({ name, title, context, tasks }) => {
      const where = context === undefined || context === name ? "" : `  context ${makeVisibleLine(context)}`;
      const head = `\n${io.outPaint.bold(makeVisibleLine(name))}  ${makeVisibleLine(title)}${where}\n`;
      const texts = tasks.map(
        ({ text, isBonus }, index) =>
          `  ${index + 1}. ${isBonus === true ? "Bonus: " : ""}${makeVisible(text).replaceAll("\n", "\n     ")}\n`,
      );
      return head + texts.join("");
    })
    .join("");
}

function describeStarted(started: StartedExam, io: CliIo): string {
  const { name, title, limitMs, passMark, kubeconfig, unsealed } = started;
  const commands = [
    ...(kubeconfig === undefined ? [] : [`  export KUBECONFIG=${kubeconfig}\n  kubectl config use-context LAB\n`]),
    `  cnilab exam status ${name}\n  cnilab exam finish ${name}\n`,
  ];
  return [
    `${io.outPaint.bold(makeVisibleLine(title))} has begun: ${wholeSeconds(limitMs)} from now, ${passMark} % pass\n`,
    describeTasks(started, io),
    unsealed.length === 0 ? "" : `\nGraded only if finished in time: ${unsealed.join(", ")}\n`,
    "\n",
    ...commands,
  ].join("");
}

function describeStatus(status: ExamStatus, io: CliIo): string {
  const gone = status.labs.filter(({ isUp }) => !isUp).map(({ name }) => name);
  return [
    `${io.outPaint.bold(makeVisibleLine(status.title))}  ${io.outPaint.dim(status.name)}  ${stateText(status)}\n`,
    status.state === "running" ? describeTasks(status, io) : "",
    gone.length === 0 ? "" : `\nnot there: ${gone.join(", ")}\n`,
  ].join("");
}

function stateText({ state, time, limitMs, result }: ExamStatus): string {
  if (state === "starting") return "its labs are being made, or that was ended";
  if (result !== undefined) return `${verdictWords[result.verdict]}, ${result.score} %`;
  if (time?.leftMs === undefined) return `time unknown, ${makeVisibleLine(time?.unknown ?? "")}`;
  return time.leftMs > 0
    ? `${wholeSeconds(time.leftMs)} of ${wholeSeconds(limitMs)} left`
    : "the time is over: cnilab exam finish grades it";
}

function parseTime(text: string): number {
  const limitMs = parseDurationMs(text);
  if (limitMs !== undefined && limitMs >= SHORTEST_MS && limitMs <= LONGEST_MS) return limitMs;
  throw new InvalidArgumentError("write a duration from 1s to 24h, such as 2h or 90m.");
}

function parsePassMark(text: string): number {
  const percent = Number(text);
  if (text.trim() !== "" && percent > 0 && percent <= 100) return percent;
  throw new InvalidArgumentError("write per cent, above 0 and at most 100.");
}

function parseParallel(text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1 && count <= MOST_PARALLEL) return count;
  throw new InvalidArgumentError(`write a number from 1 to ${MOST_PARALLEL}.`);
}
