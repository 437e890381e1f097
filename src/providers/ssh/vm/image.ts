import { join } from "node:path";
import * as z from "zod";
import { LabError } from "../../../core/errors.ts";
import { makeVisible } from "../../../core/visible-text.ts";
import { runLocal } from "../../../exec/local.ts";
import type { PlannedVm } from "../../../plan/types.ts";
import { VM_FILES } from "./arguments.ts";

/** What `qemu-img info` says of an image. */
const imageInfo = z.object({
  format: z.string(),
  "virtual-size": z.number(),
  "backing-filename": z.string().optional(),
  "format-specific": z.object({ data: z.object({ "data-file": z.string().optional() }).optional() }).optional(),
});

/**
 * Lays a disk over an image, into a virtual machine's folder: what is written goes there. Rejects with VM_IMAGE where the image cannot
 * be read or would read other files of this host, VM_DISK where the disk is smaller than it.
 */
export async function layOverImage(
  program: string,
  { image, diskBytes }: Pick<PlannedVm, "image" | "diskBytes">,
  { folder, signal }: { folder: string; signal: AbortSignal },
): Promise<void> {
  const text = await runTool(program, ["info", "--output=json", "--", image], signal);
  const {
    format,
    "virtual-size": imageBytes,
    "backing-filename": backing,
    "format-specific": own,
  } = imageInfo.parse(JSON.parse(text));
  const other = backing ?? own?.data?.["data-file"];
  if (other !== undefined) {
    const message = `${image} is a part of an image: it goes on in ${JSON.stringify(other)}`;
    throw new LabError("VM_IMAGE", message, { hint: "make a whole one of it: qemu-img convert -O qcow2 IMAGE WHOLE" });
  }
  if (format !== "qcow2" && format !== "raw") {
    throw new LabError("VM_IMAGE", `${image} is a ${format} image, and only qcow2 and raw are taken`, {
      hint: "qemu-img convert -O qcow2 IMAGE OTHER",
    });
  }
  if (diskBytes < imageBytes) {
    const message = `${image} has a disk of ${Math.ceil(imageBytes / 2 ** 20)} MiB, and disk: says ${diskBytes / 2 ** 20}`;
    throw new LabError("VM_DISK", message, { hint: "give the virtual machine a larger disk:" });
  }
  const overlay = ["create", "-q", "-f", "qcow2", "-F", format, "-b", image, "--", join(folder, VM_FILES.disk)];
  await runTool(program, [...overlay, String(diskBytes)], signal);
}

async function runTool(program: string, args: readonly string[], signal: AbortSignal): Promise<string> {
  const { exitCode, lines, notStarted } = await runLocal(program, args, { signal });
  if (exitCode === 0) return lines.join("\n");
  throw new LabError(
    "VM_IMAGE",
    `qemu-img ${args[0]} failed: ${makeVisible(notStarted ?? lines.slice(-5).join("\n"))}`,
  );
}
