import { stringify } from "yaml";
import type { Report } from "./types.ts";

/** The document that `-o json` and `-o yaml` print; its shape is described in docs/cli.md and only ever grows. */
export interface ReportDocument extends Omit<Report, "grade"> {
  apiVersion: "cnilab.dev/v1alpha1";
  kind: "Report";
  verdict: Report["grade"]["verdict"];
  earned: number;
  possible: number;
  counts: Report["grade"]["counts"];
  bonus?: Report["grade"]["bonus"];
  time?: Report["grade"]["time"];
  tasks: Report["grade"]["tasks"];
  probes: Report["grade"]["probes"];
}

/** The report as plain data. */
export function reportDocument(report: Report): ReportDocument {
  const { grade, ...rest } = report;
  return { apiVersion: "cnilab.dev/v1alpha1", kind: "Report", ...rest, ...grade };
}

/** `-o json`: two spaces of indent, one document. */
export function renderJson(report: Report): string {
  return `${JSON.stringify(reportDocument(report), undefined, 2)}\n`;
}

/** `-o yaml`: the same document without anchors. */
export function renderYaml(report: Report): string {
  return stringify(reportDocument(report), { aliasDuplicateObjects: false, lineWidth: 0 });
}
