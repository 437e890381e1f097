import { Option, type Command } from "commander";
import type { Report } from "../../report/types.ts";
import type { Watcher, WatchKey } from "../../run/watch-lab.ts";
import type { WatchEvent, WatchedLab } from "../../report/watch-types.ts";
import type { WatchScreen } from "../../report/watch.ts";
import { exitCodeOfVerdict, exitCodes } from "../exit-codes.ts";
import { runningLabArgument, withExamples } from "../help.ts";
import type { CliIo } from "../io.ts";
import { formatError, formatWarning } from "../print-error.ts";

type Format = "table" | "json";

interface Options {
  filename: string[];
  untilPass?: boolean;
  output: Format;
}

const keysText = "g grade in full   q grade in full and end   Ctrl-C end";
const mostNotes = 3;

/** `cnilab watch`: the grade of a running lab, kept up with every change. */
export function declareWatch(program: Command, io: CliIo): void {
  const command = program
    .command("watch")
    .summary("grade a running lab again at every change")
    .description(
      "Follows a running lab: when its objects change, or the files given, which are applied, what the change touches is probed again.",
    )
    .argument("<lab>", runningLabArgument)
    .option("-f, --filename <file…>", "a manifest, or a folder of them: applied now and at every change", collect, [])
    .option("--until-pass", "end when a full grade passes")
    .addOption(new Option("-o, --output <format>", "output").choices(["table", "json"]).default("table"));
  withExamples(command, [
    ["cnilab watch default-deny", "whoever changes it, and however"],
    ["cnilab watch default-deny -f answer.yaml", "your answer, applied whenever you save it"],
    ["cnilab watch default-deny -f answer.yaml --until-pass -o json", "for programs: one JSON document a line"],
  ]).action(async (lab: string, options: Options) => {
    const { watchLab } = await import("../../run/watch-lab.ts");
    const request = { lab, files: options.filename, isUntilPass: options.untilPass === true };
    const { noteOf, renderWatchScreen, watchDocument, watchLine } = await import("../../report/watch.ts");
    const render: Rendering = { noteOf, renderWatchScreen, watchDocument, watchLine };
    const view = io.openScreen === undefined || options.output === "json" ? undefined : liveView(io, render);
    const watcher = view?.watcher ?? lineWatcher(io, options.output, render);
    try {
      io.exitCode = exitCodeOfVerdict(await watchLab(request, watcher, io.runContext({ isQuiet: true })));
    } catch (error) {
      // To interrupt it is how a watch is ended.
      if (!io.signal.aborted) throw error;
      io.exitCode = exitCodes.interrupted;
    } finally {
      view?.close();
    }
    if (view?.report !== undefined) {
      const { renderTerminal } = await import("../../report/terminal.ts");
      io.out(renderTerminal(view.report, { colour: io.hasColour, width: io.width }));
    }
  });
}

type Rendering = Pick<
  typeof import("../../report/watch.ts"),
  "noteOf" | "renderWatchScreen" | "watchDocument" | "watchLine"
>;

/** A line an event: text, or with `json` a document. Warnings and problems of the text form go to standard error, whole. */
function lineWatcher(io: CliIo, format: Format, { watchDocument, watchLine }: Rendering): Watcher {
  let lab: WatchedLab | undefined;
  return {
    begin: (begun) => {
      lab = begun;
    },
    tell: (event) => {
      if (format === "json") {
        const document = lab === undefined ? undefined : watchDocument(event, lab);
        if (document !== undefined) io.out(`${JSON.stringify(document)}\n`);
      } else if (event.type === "warning") io.err(formatWarning(event.warning, io.errPaint));
      else if (event.type === "problem") io.err(formatError(event.error, io.errPaint));
      else {
        const line = watchLine(event);
        if (line !== undefined) io.out(`${line}\n`);
      }
    },
    onKey: () => undefined,
  };
}

interface LiveView {
  watcher: Watcher;
  /** Of the full grade with which it was ended. */
  report: Report | undefined;
  /** Gives the terminal back, and leaves the last screen on it. */
  close(): void;
}

function liveView(io: CliIo, { renderWatchScreen, noteOf }: Rendering): LiveView | undefined {
  const live = io.openScreen?.();
  if (live === undefined) return undefined;
  let screen: WatchScreen | undefined;
  let isDone = false;
  const lines = (height: number, width: number): string[] =>
    screen === undefined ? [] : renderWatchScreen(screen, { colour: io.hasColour, width, height });
  const draw = (): void => {
    const { width, height } = live.size();
    live.draw(lines(height, width));
  };
  live.onResize(draw);
  const view: LiveView = {
    report: undefined,
    watcher: {
      begin: (lab) => {
        screen = { lab, notes: [], ...(live.hasKeys ? { keys: keysText } : {}) };
        draw();
      },
      tell: (event) => {
        if (screen === undefined) return;
        screen = screenAfter(screen, event, noteOf);
        if (event.type === "graded") view.report = event.report;
        if (event.type === "regrade") view.report = undefined;
        draw();
      },
      onKey: (listen) =>
        live.onKey((key) => {
          const meaning = ({ g: "grade", q: "end" } as Record<string, WatchKey>)[key];
          if (meaning !== undefined) listen(meaning);
        }),
    },
    close: () => {
      if (isDone) return;
      isDone = true;
      const { width } = live.size();
      live.close();
      if (screen === undefined || view.report !== undefined) return;
      const { keys: _, ...last } = screen;
      screen = last;
      io.out(`${lines(Number.POSITIVE_INFINITY, width).join("\n").trimEnd()}\n`);
    },
  };
  return view;
}

function screenAfter(screen: WatchScreen, event: WatchEvent, noteOf: Rendering["noteOf"]): WatchScreen {
  const { busy: _, ...idle } = screen;
  switch (event.type) {
    case "regrade":
      return { ...idle, regrade: event };
    case "changing":
      return { ...idle, busy: "a change is taking effect" };
    case "grading":
      return { ...idle, busy: "grading in full" };
    case "graded":
      return { ...idle, notes: [`graded in full: ${event.report.grade.earned}/${event.report.grade.possible} points`] };
    case "applied":
      // What was wrong with the files is mended.
      return { ...screen, notes: [noteOf(event)] };
    case "warning":
    case "problem":
    case "ended":
      return { ...screen, notes: [...screen.notes, noteOf(event)].slice(-mostNotes) };
  }
}

function collect(file: string, earlier: string[]): string[] {
  return [...earlier, file];
}
