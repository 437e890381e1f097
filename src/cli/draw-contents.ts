import { makeVisibleLine } from "../core/visible-text.ts";
import type { LabContents, PodLine } from "../run/lab-contents.ts";
import { drawTable } from "./write-data.ts";

/** A running lab's pods and Services as tables, with why a pod is not ready on a line of its own below them. */
export function drawContents({ pods, services }: LabContents): string {
  const podRows = pods.map((pod) => [
    `${pod.namespace}/${pod.name}`,
    `${pod.readyContainers}/${pod.containers}`,
    pod.reason === undefined || pod.ready ? pod.phase : pod.reason,
    pod.node ?? "-",
    pod.ip ?? "-",
  ]);
  const serviceRows = services.map(({ namespace, name, type, clusterIP, ports, readyEndpoints }) => [
    `${namespace}/${name}`,
    type,
    clusterIP ?? "-",
    ports.length === 0 ? "-" : ports.join(","),
    readyEndpoints === undefined ? "-" : String(readyEndpoints),
  ]);
  return [
    draw(["pod", "ready", "status", "node", "ip"], podRows) + pods.map(whyNotReady).join(""),
    draw(["service", "type", "cluster-ip", "ports", "endpoints"], serviceRows),
  ]
    .filter((part) => part !== "")
    .map((part) => `\n${part}`)
    .join("");
}

function draw(head: readonly string[], rows: readonly string[][]): string {
  if (rows.length === 0) return "";
  return drawTable(
    head,
    rows.map((row) => row.map(makeVisibleLine)),
  );
}

function whyNotReady({ namespace, name, ready, message }: PodLine): string {
  return ready || message === undefined ? "" : `${makeVisibleLine(`${namespace}/${name}: ${message}`)}\n`;
}
