import * as z from "zod";

/** A manifest's path, relative to the lab file and below its folder. */
export const manifestFile = z
  .string()
  .min(1)
  .superRefine((file, issues) => {
    const isOutside = file.startsWith("/") || file.split("/").includes("..") || file.includes("\u0000");
    if (!isOutside && /\.(ya?ml|json)$/.test(file)) return;
    issues.addIssue({
      code: "custom",
      message: isOutside
        ? `${JSON.stringify(file)} is outside the lab's folder`
        : `${JSON.stringify(file)} is no manifest`,
      params: {
        code: "SCENARIO_BAD_FILE",
        hint: "write a .yaml or .json path below the lab's folder, such as manifests/shop.yaml",
      },
    });
  });
